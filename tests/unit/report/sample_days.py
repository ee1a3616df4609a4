"""The days of the flights' datasets as a gate would judge them, with the histories that a real gate would have."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import CheckResult, DayResult, Disposition, Verdict

CONTRACTS = Path(__file__).parents[3] / "contracts" / "flights"
DATASETS = ("departures", "arrivals", "weather")
FIRST = date(2013, 2, 4)
USUAL: dict[str, object] = {"scope": "day", "severity": "error", "verdict": Verdict.PASSED}
ROWS: dict[str, object] = {"scope": "row", "breach": "quarantine"}
_WEEK = (928, 900, 915, 934, 935, 720, 845)
_STORM = {4: 0.86, 5: 0.19, 6: 0.62}


def contract_texts() -> dict[str, str]:
    """Return the texts of the flights' contracts by dataset."""
    return {name: (CONTRACTS / f"{name}.odcs.yaml").read_text("utf-8") for name in DATASETS}


def line_of(dataset: str, needle: str) -> int:
    lines = contract_texts()[dataset].splitlines()
    return next((number for number, line in enumerate(lines, 1) if needle in line), 1)


class Maker:
    """Makes the results of one dataset, day by day, with the histories that a real gate would have."""

    def __init__(self, dataset: str, seed: int, days: int) -> None:
        self.dataset, self.random = dataset, random.Random(seed)
        self.days = [FIRST + timedelta(days=number) for number in range(days)]
        self.history: dict[str, list[tuple[str, float]]] = {}

    def check(self, day: date, id_: str, name: str, kind: str, value: float | None, **rest: object) -> CheckResult:
        earlier = self.history.setdefault(id_, self._before(value))
        found = CheckResult(
            check=id_,
            name=name,
            kind=kind,
            day=day.isoformat(),
            value=value,
            history=tuple(earlier[-60:]),
            **{"scope": "day", "severity": "error", "verdict": Verdict.PASSED, "line": line_of(self.dataset, id_)}
            | rest,
        )
        if value is not None:
            earlier.append((day.isoformat(), value))
        return found

    def _before(self, value: float | None) -> list[tuple[str, float]]:
        if value is None:
            return []
        spread = [value * self.random.uniform(0.9, 1.05) for _ in range(24)]
        start = self.days[0] - timedelta(days=24)
        return [((start + timedelta(days=n)).isoformat(), round(it, 2)) for n, it in enumerate(spread)]

    def refs(self, number: int) -> tuple[RowRef, ...]:
        return tuple(
            sorted(
                RowRef(self.dataset, self.random.randrange(4), self.random.randrange(100, 9000)) for _ in range(number)
            )
        )


def _rows(maker: Maker, number: int) -> int:
    day = maker.days[number]
    usual = _WEEK[day.weekday()] if maker.dataset != "weather" else 72
    rows = usual * (1 if maker.dataset == "weather" else _STORM.get(number, 1.0)) + maker.random.randint(-9, 0)
    return max(1, round(rows))


def departures_day(maker: Maker, number: int) -> DayResult:
    day, rows = maker.days[number], _rows(maker, number)
    held, seeded = number == 5, number == 11
    delayed = 9 if seeded else 0
    cancelled = (0.03, 0.62)[number in _STORM] * maker.random.uniform(0.6, 1.2)
    bad = Verdict.FAILED
    checks = (
        maker.check(
            day,
            "volume-of-a-day",
            "Volume of a day",
            "rowCount",
            float(rows),
            dimension="completeness",
            breach="hold",
            target="between 500 and 1,200 (both included)",
            verdict=bad if held else Verdict.PASSED,
            detail=f"{rows} rows came: the blizzard closed the airports. The day is held." if held else "",
        ),
        maker.check(
            day,
            "delay-is-the-difference",
            "The delay is the difference of the times",
            "sql",
            float(delayed),
            **ROWS,
            dimension="accuracy",
            target="0 rows",
            verdict=bad if delayed else Verdict.PASSED,
            rows=delayed,
            examples=maker.refs(5) if delayed else (),
            detail="9 rows say another delay than their two times. They are quarantined, the rest is published."
            if delayed
            else "",
        ),
        maker.check(
            day,
            "completeness",
            "Completeness of departed_at",
            "completeness",
            round(100 - cancelled * 100, 1),
            unit="percent",
            column="departed_at",
            severity="warning",
            dimension="completeness",
            target="at least 92 %",
            verdict=bad if cancelled > 0.08 else Verdict.PASSED,
            detail=f"{cancelled:.0%} of the day's flights were cancelled." if cancelled > 0.08 else "",
        ),
        maker.check(
            day,
            "latency",
            "Latency of occurred_at, all rows",
            "latency",
            round(420 + 300 * maker.random.random(), 1),
            unit="s",
            severity="warning",
            column="occurred_at",
            target="at most 15 min",
            error_bound="within 1 %",
        ),
        maker.check(
            day,
            "one-event-for-each-flight",
            "One event for each flight",
            "uniqueness",
            0.0,
            **ROWS,
            dimension="uniqueness",
            target="0 rows",
            rows=0,
        ),
        maker.check(
            day,
            "cancelled-flights-do-not-leave",
            "Cancelled flights do not leave",
            "sql",
            0.0,
            **ROWS,
            dimension="consistency",
            target="0 rows",
            rows=0,
        ),
        maker.check(
            day,
            "tail-numbers-known",
            "Tail numbers are known",
            "sql",
            0.0,
            scope="row",
            severity="warning",
            dimension="completeness",
            target="0 rows",
            rows=0,
        ),
        maker.check(
            day,
            "departure-has-its-weather",
            "Departure has its weather",
            "relationship",
            2.0 if number == 20 else 0.0,
            **ROWS,
            target="0 rows",
            rows=0,
            verdict=Verdict.PENDING if number == 20 else Verdict.PASSED,
            detail="2 rows have no weather yet; it may come until 25 Feb, 05:00 UTC." if number == 20 else "",
        ),
        maker.check(
            day,
            "error-rate",
            "Error rate",
            "errorRate",
            round(maker.random.uniform(0.1, 1.4), 2),
            unit="percent",
            severity="warning",
            target="at most 5 %",
        ),
        maker.check(
            day,
            "frequency",
            "Volume against its own history",
            "rowCountHistory",
            None,
            severity="warning",
            target="within the range of 28 earlier days",
            verdict=Verdict.NO_HISTORY,
            detail="24 complete days are known, and 28 are needed.",
        )
        if number < 4
        else maker.check(
            day,
            "frequency",
            "Volume against its own history",
            "rowCountHistory",
            float(rows),
            severity="warning",
            target="between 640 and 1,010: 1 false alarm in 1,000 days",
            verdict=bad if rows < 640 else Verdict.PASSED,
            detail="Fewer rows than on any of the 28 days before." if rows < 640 else "",
        ),
    )
    return _day(day, rows, checks, held=held, pending=number == 20, quarantined=delayed, complete=number < 20)


def arrivals_day(maker: Maker, number: int) -> DayResult:
    day, rows = maker.days[number], round(_rows(maker, number) * 0.97)
    orphans = 4 if number == 11 else 0
    pending = number == 20
    checks = (
        maker.check(
            day,
            "arrival-has-its-departure",
            "Arrival has its departure",
            "relationship",
            float(orphans or (31 if pending else 0)),
            **ROWS,
            column="flight_id",
            target="0 rows",
            verdict=Verdict.FAILED if orphans else Verdict.PENDING if pending else Verdict.PASSED,
            rows=orphans,
            examples=maker.refs(4) if orphans else (),
            detail="4 rows have no departure, and none can come any more."
            if orphans
            else "31 rows have no departure yet; it may come until 25 Feb, 05:00 UTC."
            if pending
            else "",
        ),
        maker.check(
            day,
            "labels-present",
            "Labels are present",
            "nullValues",
            round(maker.random.uniform(0.1, 0.9) + (5.2 if number == 5 else 0), 2),
            unit="percent",
            severity="warning",
            column="arrival_delay_minutes",
            dimension="completeness",
            target="at most 5 %",
            verdict=Verdict.FAILED if number == 5 else Verdict.PASSED,
            detail="Diverted flights have no delay; more than usual were diverted." if number == 5 else "",
        ),
        maker.check(
            day,
            "volume-of-a-day",
            "Volume of a day",
            "rowCount",
            float(rows),
            severity="warning",
            dimension="completeness",
            target="between 450 and 1,200 (both included)",
            verdict=Verdict.FAILED if rows < 450 else Verdict.PASSED,
            detail=f"{rows} rows came." if rows < 450 else "",
        ),
        maker.check(
            day,
            "one-event-for-each-flight",
            "One event for each flight",
            "uniqueness",
            0.0,
            **ROWS,
            target="0 rows",
            rows=0,
            dimension="uniqueness",
        ),
        maker.check(
            day,
            "delay-unless-diverted",
            "A delay unless diverted",
            "sql",
            0.0,
            **ROWS,
            target="0 rows",
            rows=0,
            dimension="consistency",
        ),
        maker.check(
            day,
            "latency",
            "Latency of occurred_at, all rows",
            "latency",
            round(500 + 200 * maker.random.random(), 1),
            unit="s",
            severity="warning",
            target="at most 15 min",
            error_bound="within 1 %",
        ),
    )
    return _day(day, rows, checks, pending=pending, quarantined=orphans, complete=number < 20)


def weather_day(maker: Maker, number: int) -> DayResult:
    day, rows = maker.days[number], _rows(maker, number)
    wind = 1 if number == 8 else 0
    unknown = number == 14
    checks = (
        maker.check(
            day,
            "wind-speed-plausible",
            "Wind speed is plausible",
            "sql",
            float(wind),
            **ROWS,
            dimension="accuracy",
            target="0 rows",
            rows=wind,
            verdict=Verdict.FAILED if wind else Verdict.PASSED,
            examples=(RowRef("weather", 1, 214),) if wind else (),
            detail="1 row says a wind above 200 mph. It is quarantined, the rest is published." if wind else "",
        ),
        maker.check(
            day,
            "volume-of-a-day",
            "Volume of a day",
            "rowCount",
            float(rows),
            severity="warning",
            dimension="completeness",
            target="between 66 and 72 (both included)",
            verdict=Verdict.FAILED if rows < 66 else Verdict.PASSED,
            detail=f"{rows} reports of 72 came." if rows < 66 else "",
        ),
        maker.check(
            day,
            "dew-point-below-temperature",
            "The dew point is not above the temperature",
            "sql",
            None if unknown else 0.0,
            scope="row",
            severity="warning",
            dimension="consistency",
            target="0 rows",
            verdict=Verdict.UNKNOWN if unknown else Verdict.PASSED,
            detail="The query took longer than 60 s and was stopped." if unknown else "",
        ),
        maker.check(
            day,
            "pressure-known",
            "Pressure is known",
            "nullValues",
            round(maker.random.uniform(4, 22), 1),
            unit="percent",
            severity="warning",
            column="pressure_millibars",
            target="at most 50 %",
        ),
        maker.check(
            day,
            "one-report-an-hour",
            "One report an hour",
            "uniqueness",
            0.0,
            **ROWS,
            target="0 rows",
            rows=0,
        ),
    )
    return _day(day, rows, checks, quarantined=wind, complete=number < 20)


def _day(
    day: date,
    rows: int,
    checks: tuple[CheckResult, ...],
    *,
    held: bool = False,
    pending: bool = False,
    quarantined: int = 0,
    complete: bool = True,
) -> DayResult:
    kept = rows if held or pending else 0
    reason = Verdict.FAILED if held else Verdict.PENDING
    return DayResult(
        day=day.isoformat(),
        disposition=Disposition.HELD if held else Disposition.PENDING if pending else Disposition.PUBLISHED,
        rows=rows,
        new_rows=rows,
        published=0 if kept else rows - quarantined,
        quarantined=0 if kept else quarantined,
        held=kept,
        reasons=tuple(it.check for it in checks if kept and it.verdict is reason and it.severity == "error"),
        complete=complete,
        checks=checks,
    )
