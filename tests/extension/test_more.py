"""Readers, lint rules, attacks and transports of other packages; and what doctor says of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import graders
from graders import cli
from graders.errors import ExtensionError, OptionError, RowsError
from graders.inspection.lint import RULES, check_codes, rules
from graders.inspection.probe import ATTACKS, choose_attacks
from graders.rows import Layout, decode_block, find_source
from graders.wire.endpoint import resolve
from tests.extension.conftest import Extend

HEAD = "the extension acme-graders 1.2 is broken: its entry point "
CHECK: dict[str, Any] = {
    "type": "string_check", "name": "c", "operation": "eq", "input": "{{ sample.output_text }}",
    "reference": "{{ item.a }}",
}  # fmt: skip

READER = """
from graders.rows import Reader

def pairs(path):
    for line in path.read_text().splitlines():
        {line}

READER = Reader(ending=".pairs", records=pairs)
"""
YIELDS = "yield dict(one.split('=') for one in line.split())"


def read(extend: Extend, folder: Path, text: str, code: str = READER, line: str = YIELDS) -> Any:
    extend({"readers": {"pairs": "acme_pairs:READER"}}, {"acme_pairs": code.format(line=line)})
    (folder / "rows.pairs").write_text(text)
    blocks = list(find_source([folder / "rows.pairs"]).blocks(16))
    return [decode_block(one, Layout.parse("item", "sample")) for one in blocks]


def test_a_reader_gives_rows_in_blocks(extend: Extend, tmp_path: Path) -> None:
    chunks = read(extend, tmp_path, "a=1 b=2\n" * 5)
    assert [item for one in chunks for item in one.items] == [{"a": "1", "b": "2"}] * 5
    assert [index for one in chunks for index in one.indexes] == [0, 1, 2, 3, 4]
    assert len(chunks) > 1


@pytest.mark.more
def test_a_run_over_its_rows_is_resumed_and_names_it(
    extend: Extend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = (
        "import os\n        if 'z' in line and 'ACME_BREAKS' in os.environ: raise OSError\n        "
    )
    read(extend, tmp_path, f"a=x b={'y' * 30}\n" * 60_000 + "a=z\n", line=breaks + YIELDS)
    out = tmp_path / "out.jsonl"
    options: dict[str, Any] = {"item_path": ".", "sample_path": "a"}
    grader = graders.load(CHECK)
    monkeypatch.setenv("ACME_BREAKS", "1")
    with pytest.raises(RowsError, match=r"failed at row 60001 \(OSError\)"):
        graders.score_file(grader, tmp_path / "rows.pairs", out, **options)
    done = (tmp_path / "out.jsonl.partial").read_bytes().count(b"\n")
    assert done
    monkeypatch.delenv("ACME_BREAKS")
    run = graders.score_file(grader, tmp_path / "rows.pairs", out, resume=True, **options)
    assert (run.tally.rows, out.read_bytes().count(b"\n")) == (60_001, 60_001)
    manifest = json.loads(Path(f"{out}.manifest.json").read_text())
    assert manifest["extensions"] == {"acme-graders": "1.2"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("yield 1 / 0", "failed at row 1 (ZeroDivisionError: division by zero)"),
        ("raise SystemExit; yield", "failed at row 1 (SystemExit)"),
    ],
)
def test_a_reader_that_fails_says_so(
    extend: Extend, tmp_path: Path, line: str, problem: str
) -> None:
    with pytest.raises(RowsError) as caught:
        read(extend, tmp_path, "a=1", line=line)
    assert str(caught.value).startswith(f"{tmp_path}/rows.pairs: {HEAD}pairs = acme_pairs:READER")
    assert str(caught.value).endswith(problem)


@pytest.mark.parametrize("value", ["3", "None", "[1]", "{1: object()}"])
def test_a_record_that_is_none_is_a_failed_row(extend: Extend, tmp_path: Path, value: str) -> None:
    (chunk,) = read(extend, tmp_path, "a=1", line=f"yield {value}")
    (failure,) = chunk.failures.values()
    assert failure.code == "row_parse_error"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('".pairs"', '".other"', 'reads ".other"; the two are to be the same, but for the dot'),
        ('".pairs"', "None", "has null for ending; a str is needed"),
        ("records=pairs", "records=3", "has records that cannot be called with a path"),
        ("def pairs(path)", "def pairs()", "has records that cannot be called with a path"),
        ("READER = Reader", "READER = dict", "is a dict; a graders.rows.Reader is needed"),
    ],
)
def test_a_broken_reader_is_one_sentence(
    extend: Extend, tmp_path: Path, old: str, new: str, problem: str
) -> None:
    with pytest.raises(ExtensionError) as caught:
        read(extend, tmp_path, "a=1", READER.replace(old, new))
    assert problem in str(caught.value)


def test_rows_that_are_not_there_may_be_meant(extend: Extend, tmp_path: Path) -> None:
    read(extend, tmp_path, "a=1")
    with pytest.raises(RowsError, match=r"did you mean .*/rows\.pairs\?"):
        find_source([tmp_path / "row.pairs"])


def test_without_extensions_its_rows_are_refused(
    extend: Extend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(extend, tmp_path, "a=1")
    monkeypatch.setenv("GRADERS_EXTENSIONS", "0")
    with pytest.raises(
        ExtensionError, match=r"pairs is of the extension .*, and extensions are off"
    ):
        list(find_source([tmp_path / "rows.pairs"]).blocks(16))


RULE = """
from graders.inspection.lint import Example, Hit, Rule

def check(subject):
    for leaf in subject.leaves:
        yield Hit(place=subject.place(leaf, "name"), message=leaf.config.name)

RULE = Rule(code="ACME001", name="names", severity="warning", what="a", why="b", fix="c",
            example=Example(grader={}), check=check)
"""


def lint(extend: Extend, capsys: Any, folder: Path, code: str, name: str = "ACME001") -> Any:
    extend({"rules": {name: "acme_rule:RULE"}}, {"acme_rule": code})
    (folder / "g.json").write_text(json.dumps(CHECK))
    code_of = cli._main(["validate", str(folder / "g.json"), "--select", "ACME"])
    return code_of, capsys.readouterr()


def test_a_rule_finds_and_is_selected(extend: Extend, capsys: Any, tmp_path: Path) -> None:
    code, said = lint(extend, capsys, tmp_path, RULE)
    assert code == 0, said
    assert "warning ACME001 c" in said.out
    assert [rule.code for rule in rules()][len(RULES) :] == ["ACME001"]
    with pytest.raises(OptionError, match="did you mean ACME001"):
        check_codes(["ACME01"])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("message=leaf.config.name", "message=3", "has 3 for message; a str is needed"),
        ("yield Hit(place", "yield dict(place", "gave a dict in check(); a Hit is needed"),
        ("yield Hit(", "1 / 0; yield Hit(", "failed in check() (ZeroDivisionError: division by zero)"),
        ('severity="warning"', 'severity="bad"', 'has "bad" for a severity; one of error, warning, info is needed'),
        ("check=check", "check=3", "has a check that cannot be called with a Subject"),
        ('code="ACME001"', 'code="ACME002"', "gives a rule of the code 'ACME002'; the two are to be the same"),
        ('what="a"', "what=None", "has null for what; a str is needed"),
        ("RULE = Rule(", "RULE = dict(", "is a dict; a graders.inspection.lint.Rule is needed"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_one_sentence(
    extend: Extend, capsys: Any, tmp_path: Path, old: str, new: str, problem: str
) -> None:
    code, said = lint(extend, capsys, tmp_path, RULE.replace(old, new))
    assert code == 2
    assert said.out == ""
    assert said.err.startswith("graders: " + HEAD + "ACME001 = acme_rule:RULE in graders.rules ")
    assert problem in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("name", ["G999", "GACME1", "acme001", "ACME1", "A001"])
def test_a_code_that_could_be_ours_is_refused(
    extend: Extend, capsys: Any, tmp_path: Path, name: str
) -> None:
    extend({"rules": {name: "acme_rule:RULE"}}, {"acme_rule": RULE.replace("ACME001", name)})
    with pytest.raises(ExtensionError, match="has a code that no extension can have"):
        rules()


def test_a_code_of_ours_is_refused(extend: Extend) -> None:
    extend({"rules": {"G101": "acme_rule:RULE"}}, {"acme_rule": RULE.replace("ACME001", "G101")})
    with pytest.raises(ExtensionError, match="has the name of one of graders' own rules"):
        rules()


ATTACK = """
from graders.inspection.probe import Attack

ATTACK = Attack("shout", "the answer, shouted", "wrong", "", lambda row, pool: row.saying("AAA"))
"""


def test_an_attack_is_made_and_named(extend: Extend, tmp_path: Path, capsys: Any) -> None:
    extend({"attacks": {"shout": "acme_attack:ATTACK"}}, {"acme_attack": ATTACK})
    assert [one.name for one in choose_attacks([])] == [*(one.name for one in ATTACKS), "shout"]
    (tmp_path / "g.json").write_text(json.dumps(CHECK))
    (tmp_path / "rows.jsonl").write_text('{"item": {"a": "x"}, "sample": "x"}\n' * 2)
    words = ["probe", str(tmp_path / "g.json"), str(tmp_path / "rows.jsonl")]
    assert cli._main([*words, "--attack", "shout", "--json"]) == 0
    assert [one["attack"] for one in json.loads(capsys.readouterr().out)["attacks"]] == ["shout"]
    assert cli._main([*words, "--attack", "shouts"]) == 2
    assert "did you mean shout?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"wrong", ""', '"bad", ""', 'has "bad" for given; one of wrong, honest, reference is needed'),
        ("lambda row, pool:", "lambda row:", "has a make that cannot be called with (row, pool)"),
        ('row.saying("AAA")', "1 / 0", "failed in make() (ZeroDivisionError: division by zero)"),
        ('row.saying("AAA")', "3", "failed in make() (TypeError"),
        ('row.saying("AAA")', "{1: 2}", "gave an answer in make() whose variant is no text"),
        ('Attack("shout"', 'Attack("other"', "gives an attack 'other'; the two names are to be the same"),
    ],
)  # fmt: skip
def test_a_broken_attack_is_one_sentence(
    extend: Extend, tmp_path: Path, capsys: Any, old: str, new: str, problem: str
) -> None:
    extend({"attacks": {"shout": "acme_attack:ATTACK"}}, {"acme_attack": ATTACK.replace(old, new)})
    (tmp_path / "g.json").write_text(json.dumps(CHECK))
    (tmp_path / "rows.jsonl").write_text('{"item": {"a": "x"}, "sample": "x"}\n' * 2)
    words = ["probe", str(tmp_path / "g.json"), str(tmp_path / "rows.jsonl")]
    assert cli._main([*words, "--attack", "shout"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("graders: " + HEAD + "shout = acme_attack:ATTACK in graders.attacks ")
    assert problem in said
    assert cli._main([*words, "--attack", "empty"]) == 0


TRANSPORT = """
import json
from graders.wire.transport import Transport, Transported

ASKED = []

class Loop(Transport):
    async def send(self, request):
        ASKED.append(request)
        {line}

    async def close(self):
        ASKED.append("closed")

def answer(score, status=200):
    message = {{"role": "assistant", "content": json.dumps({{"steps": [], "result": score}})}}
    body = {{"choices": [{{"message": message, "finish_reason": "stop"}}], "model": "m"}}
    return Transported(json.dumps(body).encode(), status)
"""
JUDGE: dict[str, Any] = {
    "type": "score_model", "name": "j", "model": "m", "range": [0, 1],
    "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
}  # fmt: skip


def judged(extend: Extend, line: str, code: str = TRANSPORT, **options: Any) -> Any:
    extend({"transports": {"acme": "acme_wire:Loop"}}, {"acme_wire": code.format(line=line)})
    judge = graders.JudgeOptions(base_url="acme://judge/v1", cache="none", deadline=5, **options)
    with graders.load(JUDGE, judge=judge) as grader:
        return grader.grade({}, "x")


def test_a_transport_carries_what_a_judge_is_asked(
    extend: Extend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-mine")
    assert judged(extend, "return answer(0.75)").reward == 0.75
    import acme_wire  # type: ignore[import-not-found]

    request, closed = acme_wire.ASKED
    assert (request.url, closed) == ("acme://judge/v1/chat/completions", "closed")
    assert json.loads(request.body)["model"] == "m"
    assert "sk-secret-of-mine" not in str(request) + request.body.decode()


def test_a_failure_is_tried_again_as_over_http(extend: Extend) -> None:
    line = "if len(ASKED) < 3: raise OSError('down')\n        return answer(0.5)"
    assert judged(extend, line).reward == 0.5
    line = "return answer(0.5, 503 if len(ASKED) < 3 else 200)"
    assert judged(extend, line).reward == 0.5


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("return 3", "gave 3; a Transported is needed"),
        ("return Transported('text')", 'has "text" for body; a bytes is needed'),
        ("return Transported(b'', 9)", "gave the status 9; one of HTTP is needed"),
        ("1 / 0", "failed in send() (ZeroDivisionError: division by zero)"),
        ("raise SystemExit(3)", "failed in send() (SystemExit: 3)"),
    ],
)
def test_a_transport_that_fails_fails_the_row(extend: Extend, line: str, problem: str) -> None:
    (failure,) = judged(extend, line).failures
    assert failure.code == "model_grader_server_error"
    assert HEAD + "acme = acme_wire:Loop in graders.transports " + problem in failure.message


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("    async def send(self", "    def send(self", "has no async def send(self, request)"),
        ("    async def send(self", "    async def sent(self", "has no async def send(self, request)"),
        ("class Loop(Transport)", "class Loop", "a class made from graders.wire.transport.Transport is needed"),
        ("ASKED = []", "Loop = 3\nraise ValueError", "failed when it was imported (ValueError)"),
    ],
)  # fmt: skip
def test_a_broken_transport_is_one_sentence(
    extend: Extend, old: str, new: str, problem: str
) -> None:
    with pytest.raises(ExtensionError) as caught:
        judged(extend, "return answer(1)", TRANSPORT.replace(old, new))
    assert problem in str(caught.value)


def test_no_key_goes_to_a_transport(extend: Extend, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-secret-of-mine")
    with pytest.raises(OptionError, match="a key file is for HTTP"):
        judged(extend, "return answer(1)", api_key_file=tmp_path / "key")
    with pytest.raises(OptionError, match=r"the base URL is http://"):
        resolve("other://judge/v1")


def test_an_end_of_our_own_is_no_fault_of_theirs(extend: Extend) -> None:
    from graders.batch.worker import _end
    from graders.extension import called, installed

    extend({"rules": {"ACME001": "acme_rule:RULE"}}, {"acme_rule": RULE})
    (one,) = installed()
    with pytest.raises(SystemExit):
        called(one, "in check()", _end)


def test_doctor_says_what_is_wrong_with_each(extend: Extend, capsys: Any) -> None:
    extend(
        {
            "metrics": {"bleu": "acme_all:X", "gone": "acme_gone:X"},
            "kinds": {"multi": "acme_all:X"},
            "readers": {"csv": "acme_all:X"},
            "rules": {"ACME001": "acme_rule:RULE", "G101": "acme_rule:RULE"},
            "attacks": {"empty": "acme_all:X", "shout": "acme_attack:ATTACK"},
            "transports": {"https": "acme_all:X"},
            "metric": {"share": "acme_all:X"},
        },
        {"acme_all": "X = 1", "acme_rule": RULE, "acme_attack": ATTACK},
    )
    cli._main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)["extensions"]
    problems = {f"{one['group']} {one['name']}": one["problem"] for one in found}
    assert [name for name, problem in problems.items() if not problem] == [
        "attacks shout", "rules ACME001",
    ]  # fmt: skip
    assert "failed when it was imported" in problems["metrics gone"]
    others = [
        name for name, one in problems.items() if "has the name of one of graders' own" in one
    ]
    assert len(others) == 6, problems
    assert (
        "in graders.metric, which is nothing that can be extended; did you mean metrics?"
        in (problems["metric share"])
    )
    cli._main(["doctor"])
    assert "has the name of one of graders' own metrics" in " ".join(
        capsys.readouterr().out.split()
    )
