"""A panel of judges: who sits on it, and one client for each of their servers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from graders import jsontext
from graders.errors import OptionError, nearest, quoted, shown

__all__ = ["Panel", "PanelJudge"]

_FIELDS: Final = ("name", "model", "base_url", "api_key_file", "api_key_variable", "auth")
_AT_SERVER: Final = re.compile(r"(.+?)@([a-z][a-z0-9+.-]*://.+|local)")
_AUTHS: Final = ("auto", "bearer", "api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelJudge:
    """One judge of a panel.

    Attributes:
        model: the model that is asked; `--model-map` counts for it too.
        name: what results call it; "" for the model's name.
        base_url: its server; None for the run's. A key of the run's goes to the run's server alone,
            and one in `OPENAI_API_KEY` to OpenAI and Azure.
        api_key_file: a file with its key.
        api_key_variable: the variable of the environment that holds its key.
        auth: the header the key goes into.
    """

    model: str
    name: str = ""
    base_url: str | None = None
    api_key_file: Path | None = None
    api_key_variable: str | None = None
    auth: Literal["auto", "bearer", "api-key"] = "auto"

    def __post_init__(self) -> None:
        for name in _FIELDS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, str | Path):
                raise OptionError(f"panel: {name} of a judge is a text, got {quoted(value)}")
        if not self.model:
            raise OptionError("panel: a judge has a model, such as gpt-4o")
        if self.auth not in _AUTHS:
            raise OptionError(f"panel: auth is one of {', '.join(_AUTHS)}, got {quoted(self.auth)}")
        if self.api_key_file is not None and self.api_key_variable is not None:
            raise OptionError(
                f"panel: {self.called} has api_key_file and api_key_variable; one of them will do"
            )

    @property
    def called(self) -> str:
        """What results call it."""
        return self.name or self.model

    @classmethod
    def of(cls, given: Any) -> Self:
        """Return the judge that a text or an object of a panel's file names.

        Raises:
            OptionError: it is none.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, str):
            return cls._in_words(given.strip())
        if not isinstance(given, Mapping):
            raise OptionError(f"panel: a judge is a model's name or an object, got {quoted(given)}")
        for field in given:
            if field not in _FIELDS:
                near = nearest(str(field), _FIELDS)
                hint = f"did you mean {near}?" if near else f"it has {', '.join(_FIELDS)}"
                raise OptionError(f"panel: a judge has no field {quoted(field)}; {hint}")
        said = {name: value for name, value in given.items() if value is not None}
        if isinstance(said.get("api_key_file"), str):
            said["api_key_file"] = Path(said["api_key_file"])
        return cls(**{"model": "", **said})

    @classmethod
    def _in_words(cls, text: str) -> Self:
        """Return the judge of `MODEL`, `MODEL@URL` or `local`."""
        if text == "local":
            return cls(model=text, base_url=text)
        found = _AT_SERVER.fullmatch(text)  # A model's own name may hold an @.
        return cls(model=text) if found is None else cls(model=found[1], base_url=found[2])

    def to_dict(self) -> dict[str, Any]:
        """Return what tells it from others: no key, and nothing of where a key is."""
        return {"name": self.called, "model": self.model, "base_url": self.base_url}


@dataclass(frozen=True, slots=True)
class Panel:
    """Judges that are asked in place of the models that graders name, each by itself.

    Args:
        judges: two or more: `PanelJudge`, a model's name, `MODEL@URL`, or a mapping of the fields
            of `PanelJudge`.

    Raises:
        OptionError: there are fewer than two, two of one name, or one asked twice.
    """

    judges: tuple[PanelJudge, ...]

    def __init__(self, judges: Sequence[PanelJudge | str | Mapping[str, Any]]) -> None:
        found = tuple(PanelJudge.of(one) for one in judges)
        object.__setattr__(self, "judges", found)
        if len(found) < 2:
            raise OptionError("a panel has two judges or more; --model-map asks another one alone")
        for at, one in enumerate(found):
            for other in found[:at]:
                if one.called == other.called:
                    raise OptionError(
                        f"panel: {shown(one.called)} is there twice; --repeats asks a judge several "
                        "times, `name` in a panel's file tells two servers' apart"
                    )
                if (one.model, one.base_url) == (other.model, other.base_url):
                    raise OptionError(
                        f"panel: {shown(other.called)} and {shown(one.called)} are one model of one "
                        "server; --repeats asks a judge several times"
                    )

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the panel that an option names: `a,b@http://…/v1,local`, or a file of JSON.

        Raises:
            OptionError: it is none.
        """
        if not text.lower().endswith(".json"):
            return cls([one for one in text.split(",") if one.strip()])
        try:
            with Path(text).open("rb") as file:
                found = jsontext.decode(jsontext.read_whole(file))
        except OSError as error:
            raise OptionError(f"panel {text} cannot be read: {error.strerror or error}") from None
        except ValueError as error:
            raise OptionError(f"panel {text} is not JSON: {shown(str(error), 120)}") from None
        if isinstance(found, dict) and set(found) == {"judges"}:
            found = found["judges"]
        if not isinstance(found, list):
            raise OptionError(f"panel {text} is a list of judges, got {quoted(found)}")
        return cls(found)

    @property
    def names(self) -> tuple[str, ...]:
        """What results call its judges."""
        return tuple(one.called for one in self.judges)

    def __str__(self) -> str:
        return "+".join(self.names)
