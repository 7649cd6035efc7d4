"""What happens at each step of a trainer: said, saved, evaluated, stopped. One for all methods."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Final

from transformers import TrainerCallback

from graders import jsontext
from graders.training.checkpoint import mark
from graders.training.session import NotTrainableError, Session

__all__ = ["Follower"]

_SECONDS: Final = 300.0
"""After so long without a checkpoint there is one, whatever the plan says."""

_EVAL: Final = "eval_"


class Follower(TrainerCallback):
    """Follows a trainer.

    Args:
        session: says what happens.
        tokens: that were trained on before the checkpoint from which this process goes on.

    Attributes:
        left: whether it stopped before the end.
        tokens: that were trained on so far.
    """

    def __init__(self, session: Session, tokens: int = 0) -> None:
        self._session = session
        numbers = session.plan["schedule"]
        self._total = numbers["total_steps"]
        self._evaluated = set(numbers["evaluated"]) if session.plan["rows"]["validation"] else set()
        self._saved = {*numbers["saved"], *numbers["kept"], self._total}
        self._before = self.tokens = tokens
        self._step: dict[str, Any] | None = None
        self._at = time.monotonic()
        self._flat = 0
        self.left = False
        self.hosted: Any = None

    def replay(self, checkpoint: Path) -> None:
        """Say again what led to a checkpoint: whoever listens may not have heard it."""
        state = jsontext.decode((checkpoint / "trainer_state.json").read_bytes(), allow_nan=True)
        steps: dict[int, dict[str, Any]] = {}
        for entry in state["log_history"]:
            self._note(steps.setdefault(entry["step"], {"logs": {}, "evaluated": None}), entry)
        for step, one in sorted(steps.items()):
            self._session.say("step", step=step, tokens=one["logs"].get("seen", 0), **one)
        self._session.say("checkpoint", step=state["global_step"])

    @staticmethod
    def _note(step: dict[str, Any], entry: dict[str, Any]) -> None:
        found = {name: value for name, value in entry.items() if _plain(value)}
        if any(name.startswith(_EVAL) for name in found):
            step["evaluated"] = {
                name.removeprefix(_EVAL): value
                for name, value in found.items()
                if name.startswith(_EVAL)
            }
            step["logs"] |= {"hosted": found["hosted"]} if "hosted" in found else {}
        elif "loss" in found or "reward" in found:
            step["logs"] |= found

    # What transformers call, in this order: a step's end, its log, its evaluation, its checkpoint.

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Decide what follows a step."""
        del args
        step, stopped = state.global_step, self._session.stopping.is_set()
        control.should_log = True
        control.should_evaluate = step in self._evaluated
        late = time.monotonic() - self._at > _SECONDS
        control.should_save = step in self._saved or late or stopped
        if stopped and step < self._total:
            self.left = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note what the trainer logs, and add to it what is ours, for checkpoints keep it."""
        del args, control
        entry = state.log_history[-1]
        if "train_runtime" in entry:
            return
        if "loss" in entry:
            self._flush()
            self.tokens = self._before + int(entry.get("num_tokens") or 0)
            entry["seen"] = self.tokens
            self._step = {"step": state.global_step, "logs": {}, "evaluated": None}
            if not math.isfinite(entry["loss"]):
                raise NotTrainableError(
                    "diverged",
                    f"the loss of step {state.global_step} is not a number any more; take a smaller "
                    "learning_rate_multiplier. Earlier checkpoints stay and can be used",
                )
        if self.hosted is not None:
            entry["hosted"] = self.hosted(state.global_step)
        if self._step is not None:
            self._note(self._step, entry)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say what the step before gave."""
        del args, state, control
        self._flush()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark a checkpoint that is whole."""
        del control
        self._flush()
        place = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        mark(place, {"step": state.global_step, "tokens": self.tokens})
        self._at = time.monotonic()
        self._session.say("checkpoint", step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say what the last step gave."""
        del args, state, control
        self._flush()

    def _flush(self) -> None:
        step, self._step = self._step, None
        if step is not None:
            self._session.say("step", tokens=self.tokens, **step)
            self._look_for_signal(step["logs"])

    def _look_for_signal(self, logs: dict[str, Any]) -> None:
        """Stop a reinforcement job that teaches nothing.

        Raises:
            NotTrainableError: it does not.
        """
        most = self._session.plan["settings"]["flat"]
        if self._session.plan["kind"] != "reinforcement" or not most:
            return
        self._flat = self._flat + 1 if (logs.get("hosted") or {}).get("flat") else 0
        if self._flat >= most:
            raise NotTrainableError(
                "no_learning_signal",
                f"for {self._flat} steps in a row all answers of each prompt got the same reward, or none: "
                "there is nothing to learn from. Look at the rewards of the answers, or let it go on by "
                "--stop-when-flat 0",
            )


def _plain(value: Any) -> bool:
    return isinstance(value, int | float | dict) and (
        not isinstance(value, float) or math.isfinite(value)
    )
