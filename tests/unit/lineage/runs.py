"""A realistic run of the gate on departures, and its result."""

from __future__ import annotations

from pathlib import Path

from ray_pipeline import load_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.lineage.gate import GateRun
from ray_pipeline.lineage.names import name_places
from ray_pipeline.sla.result import (
    CheckResult,
    ColumnProfile,
    DatasetResult,
    DayResult,
    Disposition,
    NotJudged,
    OffsetRange,
    Verdict,
)

DEPARTURES = load_contract(Path(__file__).parents[3] / "contracts/flights/departures.odcs.yaml")
TABLE = "s3://bucket/lake/curated/flights/departures/metadata/00002-ab.metadata.json"


def gate_run(
    contract: DataContract = DEPARTURES, run_id: str = "nightly", table: str | None = TABLE, dry_run: bool = False
) -> GateRun:
    return GateRun(
        pipeline="flights",
        dataset="departures",
        run_id=run_id,
        at="2013-01-04T03:00:00Z",
        started_at="2013-01-04T03:00:01.250000+00:00",
        contract=contract,
        places=name_places(
            bootstrap_servers="kafka-1:9092,kafka-2:9092",
            topic="departures",
            store="s3://bucket/lake",
            pipeline="flights",
            dataset="departures",
            table=table,
        ),
        engine_version="2.60.0",
        dry_run=dry_run,
    )


def check(name: str, verdict: Verdict, day: str | None = "2013-01-01", **more: object) -> CheckResult:
    values = {"kind": "nullValues", "scope": "row", "severity": "error", "column": "carrier", "unit": "rows"} | more
    return CheckResult(check=name, name=name.title(), verdict=verdict, day=day, **values)  # type: ignore[arg-type]


RESULT = DatasetResult(
    dataset="departures",
    topic="departures",
    contract=DEPARTURES.ref,
    contract_file="departures.odcs.yaml",
    decision=7,
    days=(
        DayResult(
            "2013-01-01",
            Disposition.PUBLISHED,
            900,
            842,
            published=840,
            quarantined=2,
            complete=True,
            checks=(
                check("carrier-known", Verdict.PASSED, value=0.0, target="0 rows"),
                check("delay-is-the-difference", Verdict.FAILED, kind="sql", value=2.0, target="0 rows", rows=2),
            ),
        ),
        DayResult(
            "2013-01-02",
            Disposition.HELD,
            943,
            943,
            held=943,
            reasons=("carrier-known",),
            checks=(
                check("carrier-known", Verdict.FAILED, "2013-01-02", value=12.0, target="0 rows", rows=12),
                check("volume", Verdict.NO_HISTORY, "2013-01-02", kind="rowCountHistory", scope="day", column=None),
            ),
        ),
    ),
    checks=(
        check(
            "freshness",
            Verdict.PASSED,
            None,
            kind="freshness",
            scope="dataset",
            severity="warning",
            column=None,
            value=20.5,
            unit="h",
        ),
    ),
    not_judged=(NotJudged("availability of the server", "no data can tell"),),
    profile=(
        ColumnProfile("distance_miles", "int32", 1785, 0, "80", "4983"),
        ColumnProfile("occurred_at", "timestamp[us, tz=UTC]", 1785, 0, "2013-01-01T00:00:00Z", "2013-01-02T23:59:00Z"),
        ColumnProfile("aircraft.tail_number", "string", 1785, 6, classified=True),
        ColumnProfile("departure_delay_minutes", "double", 1785, 6, "-inf", "nan"),
    ),
    offsets=(OffsetRange(1, 10, 905), OffsetRange(0, 0, 900)),
    landed=1843,
    published=898,
    quarantined=2,
    held=943,
    new_rows=1785,
    files_added=3,
    files_rewritten=1,
    table=TABLE,
    snapshot_id=3055729675574597004,
)
