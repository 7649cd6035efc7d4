"""Spark and Dask on their real local engines: the grades of `grade_frame`, from several processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import graders
from graders.errors import OptionError
from tests.batch.conftest import GRADER, row

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore")]

PYTHON: dict[str, Any] = {
    "type": "multi", "name": "m", "calculate_output": "(a + b) / 2",
    "graders": {
        "a": {
            "type": "python", "name": "p",
            "source": "def grade(sample, item):\n    return float(len(item['a']) % 2)",
        },
        "b": GRADER["graders"]["near"],  # type: ignore[index]
    },
}  # fmt: skip


def rows(count: int) -> list[dict[str, Any]]:
    made = []
    for index in range(count):
        one = row(index)
        made.append({"n": index, "a": one["item"].get("a"), "sample": one.get("sample")})
    return made


def expected(grader: Any, count: int) -> list[tuple[Any, ...]]:
    with graders.load(grader) as loaded:
        import pandas as pd

        frame = loaded.grade_frame(pd.DataFrame(rows(count)))
    return [
        (one.reward if one.reward == one.reward else None, one.failure if isinstance(one.failure, str) else None)
        for one in frame.itertuples()
    ]  # fmt: skip


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.mark.parametrize("grader", [GRADER, PYTHON], ids=["text", "python"])
def test_spark_gives_the_same_grades(spark: Any, grader: Any) -> None:
    from graders.adapters.spark import graded

    frame = spark.createDataFrame(rows(700), "n long, a string, sample string").repartition(3)
    found = graded(frame, grader).orderBy("n").collect()
    assert [(one.reward, one.failure) for one in found] == expected(grader, 700)
    assert dict(graded(frame, grader).dtypes)["reward"] == "double"
    assert any(one.reward is None for one in found)


def test_spark_says_of_a_column_that_it_is_there(spark: Any) -> None:
    from graders.adapters.spark import graded

    frame = spark.createDataFrame([("x", "y", 1.0)], "a string, sample string, reward double")
    with pytest.raises(OptionError, match='has a column "reward" already'):
        graded(frame, GRADER)
    assert graded(frame, GRADER, prefix="new_").collect()[0].new_reward is not None


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
@pytest.mark.parametrize("grader", [GRADER, PYTHON], ids=["text", "python"])
def test_dask_gives_the_same_grades(grader: Any, scheduler: str) -> None:
    import dask
    import dask.dataframe
    import pandas as pd

    from graders.adapters.dask import graded

    frame = dask.dataframe.from_pandas(pd.DataFrame(rows(400)), npartitions=4)
    made = graded(frame, grader)
    assert made.dtypes["reward"] == "float64"
    with dask.config.set(scheduler=scheduler, num_workers=2):
        found = made.compute()
    assert made.dtypes.to_dict() == found.dtypes.to_dict()
    pairs = [
        (one.reward if one.reward == one.reward else None, one.failure if isinstance(one.failure, str) else None)
        for one in found.itertuples()
    ]  # fmt: skip
    assert pairs == expected(grader, 400)
