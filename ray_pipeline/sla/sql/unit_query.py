"""A SQL rule over all rows of a unit.

The rows are loaded into a database file in a temporary folder, only the columns that the queries name, so memory stays
bounded whatever a day holds. Each query then runs on that file, read-only, in a process of its own with a bound on its
memory, its disk and its time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import SqlValue

from .errors import SqlRuleError
from .limits import SqlLimits
from .messages import sentence
from .placeholders import quoted
from .query_process import ask
from .sandbox import open_sandbox
from .syntax import Query, columns_read, only_one_of_each, parse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LIMITS = SqlLimits()
_ARRIVING = "the rows of a batch"


@dataclass(frozen=True, slots=True)
class UnitQuery:
    """A query as the contract has it, and what its placeholders stand for."""

    query: str
    name: str = ""
    """The schema object's name: ``${table}`` and ``${object}``."""
    column: Column = ()
    """The property that the rule stands under: ``${column}`` and ``${property}``; empty for a rule on the object."""


def query_columns(queries: Iterable[str | UnitQuery], schema: pa.Schema) -> tuple[str, ...]:
    """Return the top-level columns that batches must have for these queries; none for a query that is refused."""
    able = [query for query in (_parsed(one, schema) for one in queries) if isinstance(query, Query)]
    return _needed(able, schema)


def run_unit_query(
    query: str | UnitQuery, batches: Iterable[pa.Table], schema: pa.Schema, limits: SqlLimits = LIMITS
) -> SqlValue:
    """Return the query's one number over the rows of all batches."""
    return run_unit_queries({"": query}, batches, schema, limits)[""]


def run_unit_queries(
    queries: Mapping[str, str | UnitQuery],
    batches: Iterable[pa.Table],
    schema: pa.Schema,
    limits: SqlLimits = LIMITS,
) -> dict[str, SqlValue]:
    """Return each query's one number; the rows are loaded once, and not at all where every query is refused.

    Whatever a query does is a ``problem`` in its value. What ``batches`` raises is raised.
    """
    found: dict[str, SqlValue] = {}
    able: dict[str, Query] = {}
    for name, query in queries.items():
        parsed = _parsed(query, schema)
        if isinstance(parsed, Query):
            able[name] = parsed
        else:
            found[name] = parsed
    if able:
        with tempfile.TemporaryDirectory(prefix="ray-pipeline-sql-", dir=limits.folder) as folder:
            found |= _run(able, batches, schema, limits, Path(folder))
    return {name: found[name] for name in queries}


def _parsed(query: str | UnitQuery, schema: pa.Schema) -> Query | SqlValue:
    asked = UnitQuery(query) if isinstance(query, str) else query
    try:
        parsed = parse(asked.query, asked.name, asked.column)
        only_one_of_each(columns_read(parsed, schema), schema)
    except SqlRuleError as error:
        return SqlValue(None, error.sentence)
    return parsed


def _run(
    queries: Mapping[str, Query], batches: Iterable[pa.Table], schema: pa.Schema, limits: SqlLimits, folder: Path
) -> dict[str, SqlValue]:
    import duckdb

    database = folder / "unit.duckdb"
    columns = _needed(queries.values(), schema)
    tables = sorted({query.table for query in queries.values()})
    try:
        load(database, tables, batches, pa.schema([schema.field(column) for column in columns]), limits)
    except duckdb.Error as error:
        why = sentence(
            error, "", memory_bytes=limits.memory_bytes, seconds=limits.seconds, spill_bytes=limits.spill_bytes
        )
        return dict.fromkeys(queries, SqlValue(None, f"the rows could not be loaded: {why}"))
    found = {}
    for number, (name, query) in enumerate(queries.items()):
        own = folder / str(number)
        own.mkdir()
        said = ask(query.text, database, own, limits)
        found[name] = SqlValue(said.get("value"), said.get("problem"))
    return found


def load(
    database: Path, tables: Iterable[str], batches: Iterable[pa.Table], schema: pa.Schema, limits: SqlLimits
) -> None:
    """Write the rows of all batches into a new database file, once, under each of the names."""
    connection = open_sandbox(limits, database)
    try:
        first, *others = tables
        connection.register(_ARRIVING, schema.empty_table())
        connection.execute(f"CREATE TABLE {quoted(first)} AS FROM {quoted(_ARRIVING)}")
        connection.unregister(_ARRIVING)
        for batch in batches:
            if batch.num_rows:
                _insert(connection, first, batch.select(schema.names))
        for other in others:
            connection.execute(f"CREATE VIEW {quoted(other)} AS FROM {quoted(first)}")
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def _insert(connection: DuckDBPyConnection, table: str, batch: pa.Table) -> None:
    connection.register(_ARRIVING, batch)
    try:
        connection.execute(f"INSERT INTO {quoted(table)} FROM {quoted(_ARRIVING)}")
    finally:
        connection.unregister(_ARRIVING)


def _needed(queries: Iterable[Query], schema: pa.Schema) -> tuple[str, ...]:
    wanted: set[Any] = {column for query in queries for column in columns_read(query, schema)}
    return tuple(column for column in schema.names if column in wanted) or _smallest(schema)


def _smallest(schema: pa.Schema) -> tuple[str, ...]:
    """Return one column of few bytes: a table of no columns has no rows to count."""
    for field in schema:
        if pa.types.is_primitive(field.type):
            return (field.name,)
    return (schema.names[0],)
