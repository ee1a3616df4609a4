"""Free SQL over a whole day: the queries that look at more than one row at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from ray_pipeline.lake.safe_parquet import open_verified
from ray_pipeline.sla.check import SqlValue
from ray_pipeline.sla.checks.unit_sql import UnitSql
from ray_pipeline.sla.sql.limits import SqlLimits
from ray_pipeline.sla.sql.unit_query import query_columns, run_unit_queries

from .gate_state import Known
from .measuring import batches_of


def sql_values(
    known: Known, day: str, unreadable: Mapping[str, str], limits: SqlLimits | None = None
) -> dict[str, SqlValue]:
    """Return what each query says about all landed rows of a day; the rows are loaded once."""
    checks = [one for one in known.dataset.plan.day_checks if isinstance(one, UnitSql) and one.problem is None]
    if not checks:
        return {}
    if unreadable:
        return {one.id: SqlValue(None, "a file of the day cannot be read") for one in checks}
    schema = known.dataset.schema
    names = list(query_columns([one.query for one in checks], schema))
    queries = {one.id: one.query for one in checks}
    return run_unit_queries(queries, _rows(known, day, names), schema, limits or SqlLimits())


def _rows(known: Known, day: str, names: list[str]) -> Iterator[pa.Table]:
    for file in known.landed_of(day):
        parquet = open_verified(known.store.get(file.key), file)
        yield from batches_of(parquet, file.key, names, known.dataset.schema)
