"""Exports of evals: brought in, or named, and a second time nothing is new; items and figures can be shown.

Input: the content of a file.
"""

from __future__ import annotations

import functools

from graders import jsontext
from graders.evals.compare import compare
from graders.evals.incoming import bring
from graders.evals.look import criteria_of_run, every_run, ids_of, items_of
from graders.evals.parcel import Parcel
from graders.evals.result import result_line, row_line
from graders.evals.store import EvalStore
from graders.jobs import RunOptions, Store
from graders.report.evals import comparison_view, eval_view, import_view, items_view, run_view
from tests.fuzz.scratch import folder, written

TOKENS = tuple(
    one.encode()
    for one in (
        '"object":"eval"', '"object":"eval.run"', '"object":"eval.run.output_item"', '"object":"list"',
        '"data":[', '"id":"e"', '"id":"r"', '"id":1', '"eval_id":"e"', '"run_id":"r"', '"testing_criteria":[',
        '{"type":"string_check","name":"c","input":"{{item.a}}","reference":"x","operation":"eq"}',
        '"data_source":{', '"source":{"type":"file_id","id":"f"}', '"datasource_item":{"a":"x"}',
        '"datasource_item_id":', '"results":[{"name":"c","score":1,"passed":true}]', '"score":', '"status":"passed"',
        '"sample":{"output":[{"role":"assistant","content":"x"}]}', '"result_counts":{"total":1,"passed":1}',
        '"grades":{"c":1}', '"passes":{"c":true}', '"data_source_idx":0', '"item":{"a":"x"}', '"created_at":',
        '"metadata":{"openai":{"outputItem":{}}}', '"gradingResult":{"componentResults":[]}', '"evalId":"p"', '"config":{}',
        '"tests":[{"vars":{"a":1}}]', '"prompts":[]', '{"type":"equals","value":"{{a}}"}', '"per_testing_criteria_results":[',
        "\\ud800", "\\u0000", "1e999", "NaN", "null", "[[[[", "]]]]", "9" * 40, "-1", "\ufeff", "\n", "{}", "[]",
    )
)  # fmt: skip


@functools.cache
def _store() -> Store:
    return Store(folder() / "export-data")


def target(data: bytes) -> None:
    path, store = written("export.json", data), _store()
    kept = EvalStore(store)
    for name in ids_of(kept, "eval"):
        kept.delete(name)
    with store.database.writing() as base:  # What was deleted would come back, and that is new.
        for table in ("eval", "run", "item"):
            base.execute(f"DELETE FROM {table}")
    for attempt in range(2):
        with Parcel.open([path]) as parcel:
            done = bring(store, parcel)
        import_view(done)
        jsontext.encode(done.to_dict())
        assert done.nothing_new or not attempt
    for of in ids_of(kept, "eval"):
        runs = every_run(kept, of)
        eval_view(kept.get(of), runs)
        for run in runs:
            run_view(run)
            items, criteria = list(items_of(kept, of, run["id"])), criteria_of_run(kept, run["id"])
            items_view(items, more=False)
            for place, item in enumerate(items):
                jsontext.encode([result_line(place, item, criteria), row_line(item)])
            if not any(one.get("type") == "python" for one in criteria):
                comparison_view(compare(items, criteria, RunOptions()), run["id"])
