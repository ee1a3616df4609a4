"""What is wrong with a query, said before any data is there."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column

from . import duck
from .errors import SqlRuleError
from .limits import SqlLimits
from .messages import sentence
from .placeholders import quoted
from .query_process import ask
from .row_predicate import compile_row_predicate
from .sandbox import time_limit
from .syntax import Query, columns_read, only_one_of_each, parse
from .unit_query import load

LINT_LIMITS = SqlLimits(memory_bytes=256 << 20, seconds=10.0, spill_bytes=0)


def check_query(query: str, schema: pa.Schema, *, name: str = "", column: Column = ()) -> str | None:
    """Return in one sentence what is wrong with the query; None where it can be judged.

    ``schema`` is the one that lands: the contract's columns and ours. The query is bound to an empty table of it, by
    DuckDB. Conditions on rows are bound in this process; other queries in one of their own, since DuckDB computes
    some constants while it binds.

    >>> check_query("SELECT COUNT(*) FROM ${table} WHERE prise < 0", pa.schema([("price", pa.float64())]))
    'Referenced column "prise" not found; did you mean "price"?, at: prise'
    """
    return _check(query, schema, name, tuple(column))


@lru_cache(maxsize=256)
def _check(query: str, schema: pa.Schema, name: str, column: Column) -> str | None:
    try:
        parsed = parse(query, name, column)
        only_one_of_each(columns_read(parsed, schema), schema)
    except SqlRuleError as error:
        return error.sentence
    bound = pa.schema([field for i, field in enumerate(schema) if schema.get_field_index(field.name) == i])
    if compile_row_predicate(query, schema, name=name, column=column) is not None:
        return _bind_here(parsed, bound)
    with tempfile.TemporaryDirectory(prefix="ray-pipeline-sql-") as folder:
        database, own = Path(folder, "empty.duckdb"), Path(folder, "own")
        own.mkdir()
        load(database, [parsed.table], [], _sayable(bound), LINT_LIMITS)
        problem: str | None = ask(parsed.text, database, own, LINT_LIMITS, bind_only=True).get("problem")
        return problem


def _bind_here(query: Query, schema: pa.Schema) -> str | None:
    import duckdb

    connection = duck.connection()
    said = _sayable(schema)
    nothing = pa.table([pa.nulls(1, field.type) for field in said], names=said.names)
    connection.register(query.table, nothing)  # of an empty table, DuckDB would not even convert the constants
    try:
        with time_limit(connection, LINT_LIMITS.seconds):
            connection.execute(f"DESCRIBE\n{query.text}")
            connection.execute(query.text).fetchall()
    except duckdb.Error as error:
        return sentence(error, query.text, memory_bytes=LINT_LIMITS.memory_bytes, seconds=LINT_LIMITS.seconds)
    finally:
        connection.execute(f"DROP VIEW IF EXISTS {quoted(query.table)}")
        connection.unregister(query.table)
    return None


def _sayable(schema: pa.Schema) -> pa.Schema:
    """Return the schema without columns whose names SQL cannot tell apart; a query that names one was refused."""
    seen = [field.name.lower() for field in schema]
    return pa.schema([field for field in schema if seen.count(field.name.lower()) == 1])
