"""A grader as the verifier of an environment: NeMo Gym's resources server, SkyRL-Gym, and others.

    grade = gym.scorer("grader.json", failed=0.0)
    reward, info = grade(item, answer)         # or: await grade.ascore(item, answer)

Source: NeMo Gym 0.4.0 (`verify(body) -> BaseVerifyResponse(reward=float, ...)`), SkyRL-Gym 0.4.0
(`env.step(action) -> BaseTextEnvStepOutput(reward=float)`). Neither knows an unscored row. Neither is imported.
"""

from __future__ import annotations

import math
import time
from typing import Any, Unpack

from graders.api import Grader
from graders.config import Source
from graders.errors import OptionError
from graders.grade import Grade
from graders.keyword import LoadKeywords
from graders.reward import Failed, Reward, said_of

__all__ = ["Scorer", "scorer"]


def scorer(
    source: Source | Grader,
    *,
    failed: Failed,
    item: str = ".",
    within: float | None = None,
    **options: Unpack[LoadKeywords],
) -> Scorer:
    """Return a grader that gives a number and what goes beside it.

    Args:
        source: the grader, as for `graders.load`. Loaded here, once, not for each row.
        failed: what a row without a reward gets: a number, or `raise`. There is no default, for an
            environment knows no unscored row.
        item: where in what is handed in the item stands; `.` for all of it.
        within: seconds after which a row without a grade fails.
        options: the options of `graders.load`.

    Raises:
        ConfigError, OptionError, UnavailableError: as `graders.Reward`; or `failed` is None.
    """
    if failed is None:
        raise OptionError("failed is a number or raise: an environment knows no unscored row")
    return Scorer(Reward(source, item=item, failed=failed, within=within, **options))


class Scorer:
    """`scorer(row, answer) -> (reward, info)`; can be pickled and copied.

    Attributes:
        reward: what grades.
    """

    def __init__(self, reward: Reward) -> None:
        self.reward = reward

    def __call__(self, row: Any, answer: Any) -> tuple[float, dict[str, Any]]:
        """Return an answer's reward, and its failure and parts.

        Raises:
            FailedError: it has none, and `failed` is `raise`.
        """
        began = time.perf_counter()
        return self._told(self.reward.grade(self.reward.item_of(row), answer), began)

    async def ascore(self, row: Any, answer: Any) -> tuple[float, dict[str, Any]]:
        """Return the same without holding up the event loop."""
        began = time.perf_counter()
        return self._told(await self.reward.agrade(self.reward.item_of(row), answer), began)

    def _told(self, grade: Grade, began: float) -> tuple[float, dict[str, Any]]:
        settled = self.reward.settled(grade)
        if settled is None:
            raise TypeError("a reward of an environment has a number for what failed")
        beside = self.reward.beside(grade, time.perf_counter() - began)
        # These go into JSON, which has no NaN; and what failed is told by a word.
        info = {key: None if math.isnan(one) else one for key, one in beside.items()}
        failure = {"failure": said} if (said := said_of(grade)) else {}
        return settled, {**info, "failed": grade.reward is None, **failure}
