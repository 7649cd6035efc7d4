"""Dataset folders as Hugging Face's library saves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import graders
from graders.errors import RowsError
from graders.rows import Layout, decode_block, find_source
from tests.batch.conftest import GRADER

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore")]


def test_a_dataset_folder_holds_rows(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    columns = {
        "item": [{"a": f"x{n}"} for n in range(1500)],
        "sample": [f"x{n % 2}" for n in range(1500)],
    }
    Dataset.from_dict(columns).save_to_disk(tmp_path / "one")
    DatasetDict({"train": Dataset.from_dict(columns)}).save_to_disk(tmp_path / "several")
    source = find_source([tmp_path / "one"])
    items = [one for block in source.blocks(4096) for one in decode_block(block, Layout()).items]
    assert items == columns["item"]
    run = graders.score_file(graders.load(GRADER), tmp_path / "one", tmp_path / "out.jsonl")
    assert (run.tally.rows, run.tally.failed) == (1500, 0)
    assert "sha256" in source.identity()[0]
    with pytest.raises(RowsError, match=r"several splits; name one: .*several/train"):
        list(find_source([tmp_path / "several"]).blocks(4096))
    assert list(find_source([tmp_path / "several" / "train"]).blocks(4096))


def test_a_dataset_comes_back_with_its_grades() -> None:
    from datasets import Dataset

    dataset = Dataset.from_dict({"a": ["x0", "x1"], "output": ["x0", "no"]})
    graded = graders.load(GRADER).grade_frame(dataset, sample="output")
    assert isinstance(graded, Dataset)
    assert list(graded["reward"]) == [1.0, 0.0]
    assert list(graded["failure"]) == [None, None]
    assert dataset.column_names == ["a", "output"]


def test_the_notebook_runs_in_a_kernel(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    samples = Path(__file__).parents[2] / "samples"
    for name in ("notebook", "support-answers"):
        shutil.copytree(samples / name, tmp_path / name)
    folder = tmp_path / "notebook"
    notebook = nbformat.read(folder / "grade-a-frame.ipynb", as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    run = notebook.cells[-2].outputs[0].data["text/html"]
    assert "<svg" in run
