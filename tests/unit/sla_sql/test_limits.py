"""A query that takes too long or too much is stopped, and says so."""

from __future__ import annotations

import hashlib
import time

import pyarrow as pa
import pytest

from ray_pipeline.sla.sql.limits import SqlLimits
from ray_pipeline.sla.sql.unit_query import UnitQuery, query_columns, run_unit_queries, run_unit_query

ROWS = pa.table({"a": pa.array(range(200_000)), "s": [f"secret-{i}" for i in range(200_000)]})
SMALL = SqlLimits(memory_bytes=100 << 20, seconds=1.0, spill_bytes=1 << 30)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) FROM range(1000000000000)",
        "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT COUNT(*) FROM x",
        "SELECT COUNT(*) FROM unit AS x, unit AS y, unit AS z WHERE x.s < y.s AND y.s < z.s",
        "SELECT bit_count(1) + length(lpad('a', 2000000000, 'b'))",
    ],
)
@pytest.mark.slow
def test_a_query_without_an_end_is_stopped(query: str):
    begun = time.monotonic()
    value = run_unit_query(query, [ROWS], ROWS.schema, SMALL)
    assert value.value is None
    assert value.problem in ("it did not finish within 1 s", "it needs more than 100 MB of memory")
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    "query",
    [
        "SELECT length(range(1000000000))",
        "SELECT length(repeat('a', 1000000000))",
        "SELECT list_sum(range(1000000000))",
        "SELECT SUM(length(repeat(s, 100000))) FROM unit",
        "SELECT length(string_agg(repeat(s, 200), '')) FROM unit",
    ],
)
def test_a_query_that_wants_all_memory_gets_what_is_allowed(query: str):
    value = run_unit_query(query, [ROWS], ROWS.schema, SqlLimits(100 << 20, 20.0))
    assert value.value is None
    assert value.problem is not None
    assert value.problem.startswith("it needs more than 100 MB of memory")


@pytest.mark.slow
def test_a_sort_larger_than_its_memory_spills_and_answers():
    rows = pa.table({"s": pa.array([hashlib.sha512(b"%d" % i).hexdigest() for i in range(400_000)])})
    query = "SELECT SUM(n) FROM (SELECT row_number() OVER (ORDER BY s DESC) AS n FROM unit)"
    value = run_unit_query(query, [rows] * 3, rows.schema, SqlLimits(memory_bytes=64 << 20))
    assert value.problem is None
    assert value.value == 1_200_000 * 1_200_001 // 2
    refused = run_unit_query(query, [rows] * 3, rows.schema, SqlLimits(memory_bytes=64 << 20, spill_bytes=1 << 20))
    assert refused.value is None
    assert refused.problem == "it needs more than 64 MB of memory and 1 MB of disk"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT SUM(s::INT) FROM unit", "a value cannot be converted"),
        ("SELECT MAX(CAST(s AS DATE)) IS NULL FROM unit", "it answers with BOOLEAN; a rule needs a number"),
        ("SELECT COUNT(CAST(s AS DATE)) FROM unit", "a value cannot be converted"),
        ("SELECT COUNT(strptime(s, '%Y')) FROM unit", "a function was given a value"),
        ("SELECT MAX(9223372036854775807 * a) FROM unit", "a number is out of its type's range"),
        ("SELECT (SELECT a FROM unit)", "a function was given a value"),
        ("SELECT COUNT(s::UUID) FROM unit", "a value cannot be converted"),
        ("SELECT MAX(s) FROM unit", "it answers with VARCHAR; a rule needs a number"),
        ("SELECT a, a FROM unit", "it answers with 2 columns; a rule needs one number"),
        ("SELECT a FROM unit", "it answers with more than one row; a rule needs one number"),
        ("SELECT a FROM unit WHERE a < 0", "it answers with no row; a rule needs one number"),
        ("SELECT MAX(a) FROM unit WHERE a < 0", "its answer is NULL"),
        ("SELECT 'nan'::DOUBLE", "its answer is not a finite number"),
        ("SELECT MAX(b) FROM unit", 'Referenced column "b" not found'),
    ],
)
def test_an_answer_that_is_none_says_why_and_shows_no_row(query: str, said: str):
    value = run_unit_query(query, [ROWS], ROWS.schema)
    assert value.value is None
    assert value.problem is not None
    assert value.problem.startswith(said)
    assert "secret-" not in value.problem


def test_queries_of_one_unit_load_only_what_they_name_and_once():
    schema = pa.schema([("a", pa.int64()), ("s", pa.string()), ("b", pa.int64()), ("B", pa.int64())])
    queries: dict[str, str | UnitQuery] = {
        "count": UnitQuery("SELECT COUNT(*) FROM ${table}", "orders"),
        "share": UnitQuery("SELECT AVG((${column} > 1)::INT) FROM orders", "orders", ("a",)),
        "own": "SELECT COUNT(DISTINCT a) FROM unit",
        "refused": "SELECT MAX(b) FROM unit",
    }
    assert query_columns(queries.values(), schema) == ("a",)
    assert query_columns([queries["count"], queries["refused"]], schema) == ("a",)
    arrived = iter([pa.table({"a": [1, 2]}), pa.table({"a": [2, None]})])
    found = run_unit_queries(queries, arrived, schema)
    assert {name: value.value for name, value in found.items()} == {
        "count": 4,
        "share": 2 / 3,
        "own": 2,
        "refused": None,
    }
    assert found["refused"].problem == "columns b and B differ in case only, which SQL cannot tell apart"
    assert list(arrived) == []


def test_where_every_query_is_refused_no_row_is_read():
    def rows():
        raise AssertionError("read")
        yield

    assert run_unit_query("SELECT random()", rows(), ROWS.schema).value is None
