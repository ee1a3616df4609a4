"""A rule on rows says the same however its rows are split, and the same as DuckDB asked plainly."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.measure import Where
from ray_pipeline.sla.sql.row_predicate import RowPredicate, compile_row_predicate, evaluate_together
from ray_pipeline.sla.sql.unit_query import run_unit_queries

SCHEMA = pa.schema(
    [
        ("i", pa.int32()),
        ("f", pa.float64()),
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("t", pa.timestamp("us", tz="UTC")),
        ("u", pa.timestamp("ms", tz="UTC")),
        ("r", pa.struct([("x", pa.int32()), ("y", pa.string())])),
    ]
)
_MOMENTS = st.datetimes(datetime(1500, 1, 1), datetime(2500, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "i": st.integers(-5, 5),
    "f": st.sampled_from([0.0, -0.0, 1.5, -2.25, float("nan"), float("inf"), float("-inf")]),
    "s": st.sampled_from(["", "a", "A", "ä", "1", "-2", "2013-01-01", "a%b", "'", "\\", "NULL"]),
    "b": st.booleans(),
    "t": _MOMENTS,
    "u": _MOMENTS.map(lambda d: d.replace(microsecond=d.microsecond // 1000 * 1000)),
    "r": st.fixed_dictionaries({"x": st.none() | st.integers(-3, 3), "y": st.none() | st.sampled_from(["", "a", "b"])}),
}
_ROWS = st.lists(st.fixed_dictionaries({name: st.none() | value for name, value in _VALUES.items()}), max_size=25)
_COMPARE = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"])
_NUMBERS = st.sampled_from(
    ["i", "I + 1", "-i", "f", "f * 2", "abs(i)", "r.x", "length(s)", "0", "1.5", "NULL", "i % 2", "i // nullif(r.x, 0)",
     "TRY_CAST(s AS INT)", "coalesce(i, r.x, 7)", "date_diff('minute', t, u)", "datediff('day', u, t)",
     "date_diff('hour', t, t + INTERVAL 90 MINUTE)", "CASE WHEN b THEN i ELSE r.x END", "year(t)", "greatest(i, f)",
     "date_diff('second', u, t)", "round(f, 1)", "TRY(s::INT + i)"]
)  # fmt: skip
_TEXTS = st.sampled_from(
    ["s", "unit.s", "r.y", "lower(s)", "s || r.y", "substr(s, 1, 1)", "'a'", "''", "i::VARCHAR", "trim(s)"]
)
_TIMES = st.sampled_from(
    ["t", "u", "t + INTERVAL 1 DAY", "TIMESTAMPTZ '2013-01-01 00:00:00+00'", "date_trunc('day', u)"]
)


def _pairs(kind: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(kind, _COMPARE, kind).map(" ".join)


_SIMPLE = st.one_of(
    _pairs(_NUMBERS),
    _pairs(_TEXTS),
    _pairs(_TIMES),
    st.sampled_from(
        ["b", "NOT b", "i", "s LIKE 'a%'", "s NOT LIKE '%\\%%'", "s IN ('a', '', r.y)",
         "i NOT IN (1, NULL)", "f BETWEEN -1 AND i",
         "regexp_matches(s, '^[a-z]')", "isnan(f)", "r IS NULL", "r.x IS NOT NULL", "b IS NOT TRUE",
         "b = (t IS NOT NULL)",
         "s ILIKE 'A'", "contains(s, '%')", "true", "NULL"]
    ),
)  # fmt: skip
_CONDITIONS = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" AND ", " OR "]), inner).map(lambda p: f"({p[0]}{p[1]}{p[2]})"),
        inner.map(lambda c: f"NOT ({c})"),
        inner.map(lambda c: f"({c}) IS NOT TRUE"),
    ),
    max_leaves=4,
)


def _predicate(condition: str) -> RowPredicate:
    found = compile_row_predicate(f"SELECT COUNT(*) FROM ${{table}} WHERE {condition}", SCHEMA)
    assert found is not None, condition
    return found


def _plain(condition: str, rows: pa.Table) -> list[int]:
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        numbered = rows.append_column("number", pa.array(range(rows.num_rows), pa.int64()))
        connection.register("arriving", numbered)
        connection.execute("CREATE TABLE unit AS FROM arriving")
        return [n for (n,) in connection.execute(f"SELECT number FROM unit WHERE {condition} ORDER BY 1").fetchall()]


@settings(max_examples=150, deadline=None)
@given(
    rows=_ROWS, conditions=st.lists(_CONDITIONS, min_size=1, max_size=3), cuts=st.lists(st.integers(0, 25), max_size=4)
)
def test_predicates_flag_the_rows_that_duckdb_counts_however_they_are_split(
    rows: list[dict[str, Any]], conditions: list[str], cuts: list[int]
):
    table = pa.Table.from_pylist(rows, SCHEMA)
    predicates = [_predicate(condition) for condition in conditions]
    bounds = sorted({0, table.num_rows, *(cut for cut in cuts if cut < table.num_rows)})
    parts = [
        evaluate_together(predicates, table.slice(start, end - start), Where("t", start))
        for start, end in pairwise(bounds)
    ]
    for condition, predicate in zip(conditions, predicates, strict=True):
        merged = reduce(FlaggedRows.merge, [part[predicate.id] for part in reversed(parts)], predicate.zero())
        expected = _plain(condition, table)
        assert merged.positions.tolist() == expected
        assert (merged.rows, merged.flagged) == (table.num_rows, len(expected))
        assert merged == predicate.of(table, Where("t", 0)) or table.num_rows == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=_ROWS, condition=_CONDITIONS, cut=st.integers(0, 25))
def test_a_unit_query_counts_what_a_predicate_flags(rows: list[dict[str, Any]], condition: str, cut: int):
    table = pa.Table.from_pylist(rows, SCHEMA)
    query = f"SELECT COUNT(*) FROM ${{table}} WHERE {condition}"
    found = run_unit_queries({"q": query}, [table.slice(0, cut), table.slice(cut)], SCHEMA)["q"]
    assert found.problem is None
    assert found.value == _predicate(condition).of(table, Where("t", 0)).flagged


_CANARY = "hunter2"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(max_size=30).map(lambda t: _CANARY + t)
    | st.sampled_from([f"{_CANARY}' to INT32\n\nLINE 1: x\n        ^", f"\nLINE 1: {_CANARY}\n        ^^^^^^^"]),
    kind=st.sampled_from(["INT", "DATE", "DOUBLE", "BOOLEAN", "UUID", "TIMESTAMPTZ", "INTERVAL"]),
)
def test_no_message_holds_a_value_of_a_row(text: str, kind: str):
    table = pa.table({"s": ["1", text]})
    found = compile_row_predicate(f"SELECT COUNT(*) FROM ${{table}} WHERE s::{kind} IS NOT NULL", table.schema)
    assert found is not None
    (said,) = evaluate_together([found], table, Where("t", 0)).values()
    assert _CANARY not in str(said)
    assert "\n" not in str(said)
