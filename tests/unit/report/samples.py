"""Three weeks of flights as a gate would report them: a blizzard, a wind of 1,048 mph, and arrivals still under way."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import date, timedelta

from ray_pipeline.contracts.expectations import SupportChannel
from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import (
    CheckResult,
    ColumnProfile,
    DatasetResult,
    Disposition,
    GateReport,
    NotJudged,
    OffsetRange,
    Verdict,
)
from ray_pipeline.types import ContractRef

from .sample_days import DATASETS, Maker, arrivals_day, contract_texts, departures_day, line_of, weather_day


def _fresh(dataset: str, value: float, target: str, limit: float) -> CheckResult:
    late = value > limit
    history = tuple((f"2013-02-{d:02}T06:00Z", float(random.Random(d).randrange(1800, 16000))) for d in range(5, 25))
    return CheckResult(
        check="freshness",
        name="Freshness",
        kind="freshness",
        scope="dataset",
        severity="warning",
        verdict=Verdict.FAILED if late else Verdict.PASSED,
        value=value,
        unit="s",
        target=target,
        dimension="timeliness",
        detail="The newest event is older than it may be." if late else "",
        line=line_of(dataset, "id: freshness"),
        history=history,
    )


def _plan(dataset: str) -> tuple[NotJudged, ...]:
    return (
        NotJudged(
            "Retention of 3 years", "the lake is younger than that", line_of(dataset, "id: retention"), "retention"
        ),
    )


def _normal_bins(mean: float, spread: float, rows: int, seed: int) -> tuple[tuple[float, float, int], ...]:
    maker = random.Random(seed)
    values = [maker.gauss(mean, spread) + (maker.expovariate(1 / (spread * 2)) if seed % 2 else 0) for _ in range(rows)]
    low, high = min(values), max(values)
    width = (high - low) / 32
    bins = [0] * 32
    for value in values:
        bins[min(31, int((value - low) / width))] += 1
    return tuple((round(low + n * width, 1), round(low + (n + 1) * width, 1), it) for n, it in enumerate(bins))


def _profile(dataset: str, rows: int) -> tuple[ColumnProfile, ...]:
    if dataset == "weather":
        return (
            ColumnProfile("temperature_f", "double", rows, 2, "10.9", "57.2", _normal_bins(34, 9, 1500, 4), (), rows),
            ColumnProfile("wind.speed_mph", "double", rows, 1, "0", "1048.36", _normal_bins(11, 5, 1500, 6), (), rows),
            ColumnProfile(
                "origin",
                "string",
                rows,
                0,
                top=(("EWR", rows // 3), ("JFK", rows // 3), ("LGA", rows // 3)),
            ),
            ColumnProfile("pressure_millibars", "double", rows, 190, "994.6", "1036.2", _normal_bins(1014, 7, 1300, 8)),
        )
    carriers = (("UA", 0.17), ("EV", 0.16), ("B6", 0.16), ("DL", 0.14), ("AA", 0.10), ("MQ", 0.08), ("US", 0.06))
    return (
        ColumnProfile(
            "carrier.code", "string", rows, 0, "9E", "YV", top=tuple((it, int(rows * part)) for it, part in carriers)
        ),
        ColumnProfile(
            "departure_delay_minutes" if dataset == "departures" else "arrival_delay_minutes",
            "int32",
            rows,
            rows // 31,
            "-33",
            "853",
            _normal_bins(-4, 7, 4000, 3),
            (),
            16384,
        ),
        ColumnProfile("distance_miles", "int32", rows, 0, "80", "4983", _normal_bins(1000, 420, 4000, 2), (), 16384),
        ColumnProfile("aircraft.tail_number", "string", rows, rows // 90, classified=True),
        ColumnProfile(
            "origin",
            "string",
            rows,
            0,
            "EWR",
            "LGA",
            top=(("EWR", int(rows * 0.36)), ("JFK", int(rows * 0.33)), ("LGA", int(rows * 0.31))),
        ),
        ColumnProfile("aircraft.seats", "int32", rows, rows // 6, "2", "450", _normal_bins(140, 60, 4000, 12)),
    )


def dataset_result(dataset: str, days: int = 21, seed: int = 7) -> DatasetResult:
    """Return what a gate would say of one of the flights' datasets."""
    maker = Maker(dataset, seed, days)
    judge = {"departures": departures_day, "arrivals": arrivals_day, "weather": weather_day}[dataset]
    found = tuple(judge(maker, number) for number in range(days))
    rows = sum(day.rows for day in found)
    earlier = 24 * (72 if dataset == "weather" else 890)
    digest = hashlib.sha256(contract_texts()[dataset].encode()).hexdigest()
    fresh = (9200.0, "at most 2 h", 7200.0) if dataset == "weather" else (12400.0, "at most 6 h", 21600.0)
    return DatasetResult(
        dataset=dataset,
        topic=dataset,
        contract=ContractRef(f"flights.{dataset}", "1.0.0", digest),
        contract_file=f"contracts/flights/{dataset}.odcs.yaml",
        support=(
            SupportChannel("weather-data", "email", "mailto:weather-data@flights.example")
            if dataset == "weather"
            else SupportChannel("flights-data", "email", "mailto:flights-data@flights.example"),
        ),
        decision=25,
        days=found,
        checks=(_fresh(dataset, *fresh),),
        not_judged=_plan(dataset),
        profile=_profile(dataset, rows),
        offsets=tuple(OffsetRange(n, 5300 + 17 * n, 5300 + 17 * n + rows // 4) for n in range(4)),
        landed=earlier + rows,
        published=earlier + sum(day.published for day in found),
        quarantined=sum(day.quarantined for day in found),
        held=sum(day.held for day in found),
        new_rows=rows,
        files_added=days * 4 - 8,
        files_rewritten=sum(bool(day.quarantined) for day in found),
        table=f"s3://lake/curated/{dataset}/metadata/00025-6f0b.metadata.json",
        snapshot_id=5_217_036_418_772_190_000 + seed,
    )


def flights(days: int = 21) -> GateReport:
    """Return the report on all three."""
    return GateReport(
        run_id="nightly-2013-02-25",
        pipeline="flights",
        at="2013-02-25T04:30:00Z",
        started_at="2013-02-25T04:30:00.120Z",
        finished_at="2013-02-25T04:30:21.570Z",
        datasets=tuple(dataset_result(name, days, seed) for seed, name in enumerate(DATASETS, 7)),
        report_uri="s3://lake/flights/_gate/_runs/nightly-2013-02-25/report.html",
        results_uri="s3://lake/flights/_gate/_runs/nightly-2013-02-25/run_results.json",
        version="0.1.0",
        timings={"read the logs": 0.41, "measure": 14.2, "judge": 0.9, "write": 3.8, "publish": 1.6},
    )


def wide(days: int = 365, checks: int = 20, datasets: int = 1) -> GateReport:
    """Return a report that is as big as reports get."""
    base = flights(3)
    first = date(2012, 3, 1)
    maker = random.Random(3)
    made = []
    for number in range(days):
        day = (first + timedelta(days=number)).isoformat()
        history = tuple(((first + timedelta(days=number - 60 + n)).isoformat(), maker.random() * 9) for n in range(60))
        found = tuple(
            CheckResult(
                check=f"check-{n:02}",
                name=f"Check number {n} of many",
                kind="sql",
                scope="row",
                severity="error" if n % 3 else "warning",
                verdict=Verdict.FAILED if maker.random() < 0.07 else Verdict.PASSED,
                day=day,
                value=maker.random() * 10,
                target="at most 9 rows",
                rows=3,
                detail="Three rows break it, and this sentence is about as long as such sentences are.",
                examples=tuple(RowRef("departures", p, 1000 + p) for p in range(5)),
                breach="quarantine",
                line=120 + n,
                history=history,
            )
            for n in range(checks)
        )
        fate = {0: Disposition.HELD, 1: Disposition.PENDING}.get(number % 29, Disposition.PUBLISHED)
        made.append(replace(base.datasets[0].days[0], day=day, disposition=fate, checks=found))
    return replace(base, datasets=tuple(replace(found, days=tuple(made)) for found in base.datasets[:datasets]))
