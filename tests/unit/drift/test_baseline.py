"""The baseline of a model version: what it counts, and of which rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ray_pipeline.drift.baseline import Baseline, make_baseline, table_baseline
from ray_pipeline.drift.counts import BlockCounts, assign, counts, merge
from ray_pipeline.drift.edges import CategoryColumn, NumericColumn, category_column, column_of, numeric_column
from ray_pipeline.drift.values import as_days, as_floats, as_texts, minutes_before

DAYS = ["2013-02-05"] * 60 + ["2013-02-06"] * 40
FIT = [True] * 60 + [False] * 40


def small() -> Baseline:
    rng = np.random.default_rng(7)
    carriers = ["UA"] * 50 + ["AA"] * 45 + ["OO"] * 4 + [None]
    return make_baseline(
        {
            "delay": ("number", [*rng.normal(10, 30, 98), None, np.nan]),
            "carrier": ("category", carriers),
            "holiday": ("flag", [True, False, None, True] * 25),
        },
        DAYS,
        fit_mask=FIT,
        scores=rng.random(40),
        score_days=DAYS[60:],
        fit_splits=("train",),
        splits=("train", "test"),
        score_splits=("test",),
    )


def test_every_column_counts_every_row_of_every_block() -> None:
    found = small()
    assert found.blocks == ("2013-02-05", "2013-02-06") and found.rows == 100
    for name in found.names:
        assert found.of(name).counts.sum(axis=1).tolist() == [60, 40]
    assert found.missing_share("delay") == 0.02 and found.missing_share("carrier") == 0.01
    assert found.of("holiday").total.tolist() == [25, 25, 50, 0]


def test_the_score_counts_only_the_rows_that_it_is_given() -> None:
    found = small()
    score = found.of_score()
    assert score is not None and score.blocks == ("2013-02-06",) and score.rows == 40
    assert (found.fit_splits, found.splits, found.score_splits) == (("train",), ("train", "test"), ("test",))


def test_bins_come_from_the_rows_that_were_fitted_to() -> None:
    carriers = ["UA"] * 60 + ["ZZ"] * 40
    found = make_baseline({"carrier": ("category", carriers)}, DAYS, fit_mask=FIT)
    assert found.column("carrier") == CategoryColumn("carrier", ("UA",))
    assert found.of("carrier").counts.tolist() == [[0, 60, 0], [0, 0, 40]]
    assert found.score is None and found.of_score() is None and found.fit_rows == 60


def test_a_rare_category_is_pooled_and_the_most_frequent_are_kept() -> None:
    rows = ["often"] * 20 + ["rare"] * 19
    assert category_column("word", rows).categories == ("often",)
    assert category_column("word", ["big"] * 29_979 + ["often"] * 20 + ["x"]).categories == ("big",)  # under 0.1 %
    many = [f"c{index:03}" for index in range(250) for _ in range(20 + index % 2)]
    chosen = category_column("word", many).categories
    assert len(chosen) == 200 and sum(int(name[1:]) % 2 for name in chosen) == 125
    assert category_column("id", [str(index) for index in range(100)]).bins == 2


def test_few_valued_numbers_have_one_bin_a_value_and_a_place_for_what_is_new() -> None:
    column = numeric_column("stops", np.array([0.0, -0.0, 1.0, 3.0]))
    assert column.few and column.labels() == ("missing", "below 0", "0", "1", "3", "above 3")
    assert assign(column, [None, -1, 0, 1, 3, 4, np.inf, -np.inf]).tolist() == [0, 1, 2, 3, 4, 5, 5, 1]


def test_a_value_that_fills_a_bin_alone_gets_one_alone() -> None:
    values = np.concatenate([np.zeros(500), np.arange(1, 501)])
    column = numeric_column("rain", values)
    bins = np.bincount(assign(column, values), minlength=column.bins)
    assert bins[2] == 500 and bins[3:].max() <= 500 / 16 * 1.1 and bins[:2].tolist() == [0, 0]


def test_constant_and_empty_columns_have_bins_too() -> None:
    assert numeric_column("one", np.full(9, 7.0)).labels() == ("missing", "below 7", "7", "above 7")
    empty = numeric_column("none", np.full(9, np.nan))
    assert empty.labels() == ("missing", "any value") and assign(empty, [None, 1.0, np.inf]).tolist() == [0, 1, 1]
    infinite = numeric_column("far", np.array([np.inf, -np.inf]))
    assert infinite.edges == ()
    largest = float(np.finfo(float).max)
    assert numeric_column("huge", np.array([largest])).edges == (largest,)
    for kind in ("number", "category", "flag"):
        found = make_baseline({"x": (kind, [None] * 100)}, DAYS, fit_mask=FIT)
        assert found.missing_share("x") == 1.0


@pytest.mark.parametrize(
    "values",
    [[1, None, 3], pa.array([1, None, 3]), pl.Series([1, None, 3]), pa.chunked_array([[1], [None, 3]]),
     np.array([1, None, 3], object), np.array([1, np.nan, 3]), pa.array([1.0, np.nan, 3.0]), iter([1, None, 3])],
)  # fmt: skip
def test_a_column_may_come_from_anywhere(values: object) -> None:
    assert np.array_equal(as_floats(values), [1, np.nan, 3], equal_nan=True)


def test_texts_and_flags_may_come_from_anywhere() -> None:
    for values in (["a", None], pl.Series(["a", None]), pa.array(["a", None]).dictionary_encode(), ("a", None)):
        assert as_texts(values).to_pylist() == ["a", None]
    flag = column_of("holiday", "flag", [])
    for values in ([True, False, None], pa.array([1, 0, None]), np.array([1.0, 0.0, np.nan]), ["true", "false", None]):
        assert assign(flag, values).tolist() == [2, 1, 0]
    assert assign(flag, np.array([2.0])).tolist() == [3]


def test_days_are_utc_days() -> None:
    moment = datetime(2013, 2, 5, 23, 30, tzinfo=UTC)
    new_york = pa.array([moment], pa.timestamp("us", tz="America/New_York"))
    for values in (["2013-02-05"], [moment.date()], new_york, np.array(["2013-02-05T23:30"], "datetime64[us]"),
                   [int(moment.timestamp() * 1e6)], pl.Series([moment])):  # fmt: skip
        assert as_days(values).astype(str).tolist() == ["2013-02-05"]
    with pytest.raises(ValueError, match="1 of 2 rows have no day"):
        as_days(["2013-02-05", None])
    with pytest.raises(ValueError, match="1 of 1 rows have no day"):
        as_days(np.array(["NaT"], "datetime64[us]"))


def test_moments_are_minutes_before_the_moment_asked() -> None:
    asked = datetime(2013, 2, 5, 12, tzinfo=UTC)
    ages = minutes_before([asked - timedelta(minutes=90), None, asked + timedelta(seconds=30)], [asked] * 3)
    assert np.array_equal(ages, [90.0, np.nan, -0.5], equal_nan=True)


def test_a_training_set_is_taken_as_it_is() -> None:
    start = datetime(2013, 2, 5, 12, tzinfo=UTC)
    rows = 90
    table = pl.DataFrame(
        {
            "asked_at": [start + timedelta(hours=index) for index in range(rows)],
            "split": ["train"] * 40 + ["validation"] * 30 + ["test"] * 20,
            "seen": [start] * rows,
            "carrier": ["UA"] * rows,
        }
    )
    scores = np.linspace(0, 1, rows)
    kinds = {"seen": "moment", "carrier": "category"}
    found = table_baseline(table, kinds, fit="train", score_splits=("validation", "test"), scores=scores)
    assert found.splits == ("train", "validation", "test") and found.fit_rows == 40
    assert found.column("seen").kind == "number" and found.rows == 90
    score = found.of_score()
    assert score is not None and score.rows == 50
    assert found == table_baseline(table.to_arrow()[::-1], kinds, fit="train", score_splits=("validation", "test"),
                                   scores=scores[::-1])  # fmt: skip


def test_a_number_of_a_training_set_that_is_not_finite_is_missing_as_the_model_has_it() -> None:
    asked = [datetime(2013, 2, 5, tzinfo=UTC)] * 5
    table = pl.DataFrame(
        {"asked_at": asked, "split": ["train"] * 5, "x": [1.0, np.inf, -np.inf, np.nan, None], "n": [1, 2, 3, 4, None]}
    )
    found = table_baseline(table, {"x": "number", "n": "number"}, fit="train")
    assert found.missing_share("x") == 0.8
    assert found.missing_share("n") == 0.2
    assert found.of("x").counts.tolist() == [[4, 0, 1, 0]]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="column x is a moment"):
        make_baseline({"x": ("moment", [1] * 100)}, DAYS, fit_mask=FIT)
    with pytest.raises(ValueError, match="column x has 3 values for 100 rows"):
        make_baseline({"x": ("number", [1, 2, 3])}, DAYS, fit_mask=FIT)
    with pytest.raises(ValueError, match="100 days and 1 marks"):
        make_baseline({}, DAYS, fit_mask=[True])
    with pytest.raises(ValueError, match="scores need the days"):
        make_baseline({}, DAYS, fit_mask=FIT, scores=[0.5])
    with pytest.raises(ValueError, match="2 scores for 1 days"):
        make_baseline({}, DAYS, fit_mask=FIT, scores=[0.5, 0.5], score_days=DAYS[:1])
    with pytest.raises(TypeError, match="numbers are needed here, and these are string"):
        make_baseline({"x": ("number", ["a"] * 100)}, DAYS, fit_mask=FIT)
    with pytest.raises(TypeError, match="categories are needed here"):
        as_texts([[1]])
    with pytest.raises(TypeError, match="this is a str"):
        as_texts("abc")
    with pytest.raises(ValueError, match="x has 1 values for 2 days"):
        counts(NumericColumn("x", (0.0,)), [1], DAYS[:2])
    with pytest.raises(ValueError, match="needs 2 bins at least"):
        numeric_column("x", np.arange(9.0), bins=1)
    with pytest.raises(ValueError, match="are not of one column"):
        merge([BlockCounts((), np.zeros((0, 2), np.int64)), BlockCounts((), np.zeros((0, 3), np.int64))])
    with pytest.raises(ValueError, match="was counted and is not asked for"):
        small().of("delay").aligned(["2013-02-05"])
    with pytest.raises(KeyError, match="no column nobody"):
        small().of("nobody")
    for edges in ((1.0, 1.0), (2.0, 1.0), (np.inf,), (np.nan,)):
        with pytest.raises(ValueError, match="x"):
            NumericColumn("x", edges)
    for categories in (("b", "a"), ("a", "a")):
        with pytest.raises(ValueError, match="not in order"):
            CategoryColumn("x", categories)
    with pytest.raises(ValueError, match="flag x"):
        CategoryColumn("x", ("a",), flag=True)
