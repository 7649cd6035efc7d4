"""YAML texts, read within bounds and refused in our own sentences, whatever PyYAML's release.

PyYAML gives the events; nodes, aliases, merges and values are made here. So a text that would fill
the memory is refused before it does, a merge means the same with every release, and no sentence
depends on how a parser words its errors: it is told from the place alone, and what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from graders.errors import quoted

if TYPE_CHECKING:
    import yaml

__all__ = [
    "MAX_DEPTH", "MAX_LENGTH", "MERGE", "TooDeepError", "YamlError", "bare_template", "compose",
    "construct",
]  # fmt: skip

MAX_DEPTH: Final = 100
"""Objects and lists inside each other; no config needs a tenth of it."""

MAX_LENGTH: Final = 4_000_000
"""Characters of a YAML text: its parser takes seconds for each million where it is not in C."""

_MAX_NODES: Final = 200_000
_MAX_DIGITS: Final = 4_000  # Python reads 4,300, and takes square time for those of base 60.

# No character of a YAML text: controls but tab and line breaks, lone surrogates, U+FEFF, U+FFFE.
_NOT_YAML: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_TAG: Final = "tag:yaml.org,2002:"
MERGE: Final = f"{_TAG}merge"
_KINDS: Final = {"map": "mapping", "seq": "sequence"}
_SHAPES: Final = {"mapping": "an object", "sequence": "a list", "scalar": "a single value"}
_NOUNS: Final = {
    "bool": "truth value", "int": "whole number", "float": "number", "binary": "base64",
    "timestamp": "date",
}  # fmt: skip
_PARTS: Final = {
    "!": "tag", "&": "anchor", "*": "alias", "%": "directive", "|": "block of text",
    ">": "block of text",
}  # fmt: skip


class YamlError(ValueError):
    """A text is no YAML that can be read.

    Attributes:
        problem: one sentence.
        index: where in the text, in characters from 0; None where no single place is at fault.
    """

    def __init__(self, problem: str, index: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.index = index


class TooDeepError(YamlError):
    """A text nests deeper than `MAX_DEPTH`."""

    def __init__(self) -> None:
        super().__init__("the text nests too deeply")


def compose(text: str) -> Any:
    """Return the node of a YAML text, None of an empty one; an alias is the node it names.

    Raises:
        YamlError: not YAML, or more than `MAX_DEPTH` levels or 200,000 values, aliases counted
            each time they are used.
    """
    import yaml  # noqa: PLC0415  (JSON configs do not pay for it)

    if len(text) > MAX_LENGTH:
        most = f"{MAX_LENGTH // 1_000_000} million"
        raise YamlError(f"a YAML text has at most {most} characters; a longer one can be JSON")
    if odd := _NOT_YAML.search(text):
        raise YamlError(f"the character U+{ord(odd.group()):04X} cannot stand in YAML", odd.start())
    kind = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    composer = _Composer()
    try:
        for event in yaml.parse(text, Loader=kind):
            composer.add(event)
    except (yaml.YAMLError, OverflowError) as error:
        raise _explained(error, text, composer.bracket) from None
    except ValueError as error:
        if isinstance(error, YamlError):
            raise
        raise _explained(error, text, composer.bracket) from None
    return composer.root


class _Composer:
    """Makes nodes of events, and refuses too many as they come."""

    def __init__(self) -> None:
        import yaml  # noqa: PLC0415

        self.root: Any = None
        self._yaml: Any = yaml
        self._resolve: Any = yaml.SafeLoader("").resolve
        self._open: list[Any] = []
        self._waiting: list[Any] = []  # Of each open mapping, the key that has no value yet.
        self._anchors: dict[str, Any] = {}
        self._extent: dict[int, tuple[int, int]] = {}  # Of each collection: levels, nodes.
        self._extents: list[tuple[int, int]] = []
        self._nodes = 0

    @property
    def bracket(self) -> Any:
        """Where the innermost open bracket stands, None where none is open."""
        node = self._open[-1] if self._open else None
        return node.start_mark if node is not None and node.flow_style else None

    def add(self, event: Any) -> None:
        """Take the next event of a text."""
        yaml = self._yaml
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise YamlError("a second document begins here; one is expected", _at(event))

    def _scalar(self, event: Any) -> None:
        if _SURROGATE.search(event.value):
            raise YamlError("an escape of this text stands for no character", _at(event))
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolve(self._yaml.ScalarNode, event.value, event.implicit)
        node = self._yaml.ScalarNode(
            tag, event.value, event.start_mark, event.end_mark, style=event.style
        )
        self._name(event, node)
        self._put(node, (0, 1))

    def _begin(self, event: Any) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise TooDeepError
        mapping = isinstance(event, self._yaml.MappingStartEvent)
        kind = self._yaml.MappingNode if mapping else self._yaml.SequenceNode
        tag = event.tag
        if tag is None or tag == "!":
            tag = f"{_TAG}map" if mapping else f"{_TAG}seq"
        node = kind(tag, [], event.start_mark, event.end_mark, flow_style=event.flow_style)
        self._name(event, node)
        self._open.append(node)
        self._waiting.append(None)
        self._extents.append((1, 1))

    def _end(self, event: Any) -> None:
        node = self._open.pop()
        self._waiting.pop()
        node.end_mark = event.end_mark
        self._extent[id(node)] = extent = self._extents.pop()
        self._put(node, extent)

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise YamlError(f"the alias *{event.anchor} names no anchor before it", _at(event))
        if any(node is one for one in self._open):
            raise YamlError(f"an alias contains itself (line {node.start_mark.line + 1})")
        self._put(node, self._extent.get(id(node), (0, 1)))

    def _name(self, event: Any, node: Any) -> None:
        if event.anchor is None:
            return
        if (first := self._anchors.setdefault(event.anchor, node)) is not node:
            where = f"line {first.start_mark.line + 1}"
            raise YamlError(
                f"the anchor &{event.anchor} stands twice, first in {where}", _at(event)
            )

    def _put(self, node: Any, extent: tuple[int, int]) -> None:
        """Put a whole node where it belongs; `extent` is how many levels and nodes it stands for."""
        if not self._open:
            self.root = node
            return
        levels, nodes = self._extents[-1]
        self._extents[-1] = levels, nodes = max(levels, extent[0] + 1), nodes + extent[1]
        if len(self._open) - 1 + levels > MAX_DEPTH:
            raise TooDeepError
        if nodes > _MAX_NODES:
            what = "its aliases stand for" if self._anchors else "it holds"
            raise YamlError(f"{what} too many values")
        parent = self._open[-1]
        if parent.id == "sequence":
            parent.value.append(node)
        elif self._waiting[-1] is None:
            self._waiting[-1] = node
        else:
            parent.value.append((self._waiting[-1], node))
            self._waiting[-1] = None


def _at(event: Any) -> int:
    return int(event.start_mark.index)


# -- what is wrong -----------------------------------------------------------------------------


def _explained(error: Exception, text: str, bracket: Any) -> YamlError:
    """Return an error that says what stands where a parser gave up, in none of its words.

    Args:
        error: the parser's; only its kind and its places are looked at.
        text: the whole text.
        bracket: where the innermost open bracket stands, None for none.
    """
    from yaml.scanner import ScannerError  # noqa: PLC0415

    problem, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    if problem is None:
        return YamlError("an escape of a text in it stands for no character")
    at = min(problem.index, len(text))
    if _levels(text[:at]) > MAX_DEPTH:
        return TooDeepError()
    begin = at if context is None else context.index
    opener = text[begin : begin + 1]
    if context is not None and opener in ("'", '"'):
        return _quote_fault(text, begin, at)
    if context is not None and opener in ("[", "{"):
        bracket = context
    ended = not text[at:].strip()
    if bracket is not None and ended:
        opener = text[bracket.index]
        return YamlError(f"the {opener} of line {bracket.line + 1} is never closed", bracket.index)
    if bracket is context and bracket is not None:
        closer = "]" if opener == "[" else "}"
        where = f"the {opener} of line {bracket.line + 1} is open"
        return YamlError(f"here , or {closer} is needed: {where}", at)
    unfinished = isinstance(error, ScannerError) and begin < at
    return _here_fault(text, at, opener, begin if unfinished else None)


def _levels(text: str) -> int:
    return text.count("[") + text.count("{") - text.count("]") - text.count("}")


def _quote_fault(text: str, begin: int, at: int) -> YamlError:
    escape = text.rfind("\\", begin, at + 1)
    if text[begin] == "'" or escape < at - 1 - (text[escape + 1 : escape + 2] in "xuU"):
        return YamlError("the quote that opens here is never closed", begin)
    shown = quoted(text[escape : escape + 2])[2:-1]
    if shown[1:] in ("x", "u", "U"):
        return YamlError(
            f"{shown} is not followed by the hexadecimal digits of a character", escape
        )
    return YamlError(f"{shown} is no escape in YAML; write \\\\ for a backslash", escape)


def _here_fault(text: str, at: int, opener: str, key: int | None) -> YamlError:
    """Return what is wrong at a place outside quotes and brackets; `key` is an unfinished key."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    here = text[at : at + 1]
    nearby = "see the indentation and the line before"
    if "\t" in (before + here if here == "\t" else before[: len(before) - len(before.lstrip())]):
        return YamlError("a tab cannot indent; indent with spaces", at)
    if here and here in "@`%," and (here != "%" or before):
        return YamlError(f"a value cannot begin with {here}; put it in quotes", at)
    if here and here in "]}":
        return YamlError(f"this {here} closes nothing", at)
    if here == ":":
        problem = f"no key can stand here; put a text that holds : in quotes, or {nearby}"
        return YamlError(problem, at)
    if here and here in "-?" and not text[at + 1 : at + 2].strip():
        return YamlError(f"no {'list' if here == '-' else 'key'} can begin here; {nearby}", at)
    if opener in _PARTS or here == "%":
        return YamlError(f"this {_PARTS.get(opener, _PARTS['%'])} cannot be read", at)
    if key is not None:
        return YamlError("no : follows the key that begins here", key)
    return YamlError(f"the text cannot go on like this; {nearby}", at)


_BARE_TEMPLATE: Final = re.compile(r"(?:^[ \t]*|:[ \t]+|-[ \t]+|[\[,][ \t]*)(\{\{)")


def bare_template(text: str, index: int) -> int | None:
    """Return where a template begins a value without quotes, in the line and before a fault of it.

    To YAML its braces are an object whose key is an object.
    """
    begin = text.rfind("\n", 0, index) + 1
    found = [match.start(1) for match in _BARE_TEMPLATE.finditer(text[begin : index + 2])]
    return begin + found[-1] if found else None


# -- values ------------------------------------------------------------------------------------


def construct(node: Any) -> Any:
    """Return the value of a node; an alias is the very value it names.

    Raises:
        YamlError: a tag without a meaning here, a value that does not fit its tag, a key that is
            a list or an object, or a merge of something else than objects.
    """
    import yaml  # noqa: PLC0415

    return _Constructor(yaml.SafeLoader("")).value(node)


class _Constructor:
    """Makes values of nodes; PyYAML only reads single numbers, dates and the like."""

    def __init__(self, reader: yaml.SafeLoader) -> None:
        self._done: dict[int, Any] = {}
        self._pairs_of: dict[int, list[tuple[Any, Any]]] = {}
        self._merges = 0
        self._scalars: dict[str, Callable[[Any], Any]] = {
            "null": lambda _: None,
            "bool": reader.construct_yaml_bool,
            "int": reader.construct_yaml_int,
            "float": reader.construct_yaml_float,
            "binary": reader.construct_yaml_binary,
            "timestamp": reader.construct_yaml_timestamp,
        }

    def value(self, node: Any) -> Any:
        if id(node) not in self._done:
            self._done[id(node)] = self._made(node)
        return self._done[id(node)]

    def _made(self, node: Any) -> Any:
        kind = node.tag.removeprefix(_TAG)
        wanted = _KINDS.get(kind, "scalar")
        if kind not in (*_KINDS, *self._scalars, "str", "merge", "value"):
            tag = f"!!{kind}" if node.tag.startswith(_TAG) else node.tag
            raise YamlError(f"the tag {quoted(tag)} means nothing here", _start(node))
        if node.id != wanted:
            raise YamlError(f"{_SHAPES[node.id]} cannot be a !!{kind}", _start(node))
        if node.id == "mapping":
            return {self._key(key): self.value(one) for key, one in self._pairs(node)}
        if node.id == "sequence":
            return [self.value(one) for one in node.value]
        read = self._scalars.get(kind)
        return node.value if read is None else self._scalar(node, kind, read)

    @staticmethod
    def _scalar(node: Any, kind: str, read: Callable[[Any], Any]) -> Any:
        if kind in ("int", "float", "timestamp") and len(node.value) > _MAX_DIGITS:
            raise YamlError("a number has more digits than can be read")
        try:
            return read(node)
        except Exception:  # noqa: BLE001  (each reader fails in its own ways, with its own words)
            raise YamlError(f"{quoted(node.value)} is no {_NOUNS[kind]}", _start(node)) from None

    def _key(self, node: Any) -> Any:
        if node.id != "scalar":
            raise YamlError(f"a key is text, got {_SHAPES[node.id]}", _start(node))
        return self.value(node)

    def _pairs(self, node: Any) -> list[tuple[Any, Any]]:
        """Return a mapping's pairs, merged ones first: of the same key, the last one counts."""
        if id(node) not in self._pairs_of:
            merged: list[tuple[Any, Any]] = []
            own = []
            for key, value in node.value:
                if key.tag == MERGE:
                    merged += self._merged(value)
                else:
                    own.append((key, value))
            self._pairs_of[id(node)] = merged + own
        return self._pairs_of[id(node)]

    def _merged(self, node: Any) -> list[tuple[Any, Any]]:
        """Return the pairs of a merge; of several objects, the first one's count most."""
        sources = node.value if node.id == "sequence" else [node]
        for one in sources:
            if one.id != "mapping":
                raise YamlError("<< merges an object or a list of objects", _start(one))
        found = [pair for one in reversed(sources) for pair in self._pairs(one)]
        self._merges += len(found)
        if self._merges > _MAX_NODES:
            raise YamlError("its merges stand for too many values")
        return found


def _start(node: Any) -> int:
    return int(node.start_mark.index)
