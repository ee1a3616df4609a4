"""The gate over many rows beside polars doing the same checks in one process, as ratios of the same run.

    python -m tests.bench.gate [rows, default 20,000,000]

The rows are a year of real departures, repeated under other flight ids, and the weather that they refer to. Both sides
read the same landed files. What a gate costs as such, on a running Ray, is printed apart and subtracted.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.demo.events import DEPARTURES, WEATHER, streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.lake.days import split_by_day
from ray_pipeline.runtime.jobs.gate import GateRunReport, run_gate
from ray_pipeline.runtime.ray_session import ray_session
from tests.bench.cpu import Meter, run
from tests.gate_lake import GateLake

CONTRACTS = Path("contracts/flights").resolve()
YEAR = Days(date(2013, 1, 1), 365)
AT = datetime(2014, 1, 3, tzinfo=UTC)
MORE = 0.01


def fill(lake: GateLake, copies: int) -> dict[str, pa.Table]:
    """Land a year of weather, and of departures so many times over; return the departures of each day."""
    read = streams(YEAR)
    weather = list(read[WEATHER].events())
    lake.land(WEATHER, [event.value or b"" for event in weather], published=[event.timestamp_ms for event in weather])
    days = departures(lake)
    for day, rows in days.items():
        lake.land_table(DEPARTURES, pa.concat_tables([copy(rows, 2013 + k) for k in range(copies)]), f"{day}T23:59:59Z")
    return days


def departures(lake: GateLake) -> dict[str, pa.Table]:
    """Return a year of departures as they land, by event day."""
    contract = lake.contract(DEPARTURES)
    events = list(streams(YEAR)[DEPARTURES].events())
    tables = [
        contract.validate([event.value or b"" for event in events[i : i + 50_000]]).table
        for i in range(0, len(events), 50_000)
    ]
    stamps = pa.array([event.timestamp_ms for event in events], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    table = pa.concat_tables(tables).append_column("_timestamp", stamps)
    return {day: rows.drop_columns("_timestamp") for day, rows in split_by_day(table, "occurred_at")}


def copy(rows: pa.Table, year: int) -> pa.Table:
    """Return the rows as other flights of the same moments: their ids begin with another year."""
    ids = pc.utf8_replace_slice(rows.column("flight_id"), 0, 4, str(year).zfill(4))
    return rows.set_column(rows.schema.get_field_index("flight_id"), "flight_id", ids)


def land_more(lake: GateLake, days: dict[str, pa.Table], rows: int) -> None:
    """Land some more flights on the last days of the year."""
    left = rows
    first = 3000 if rows > 1 else 9000
    for k, day in enumerate(sorted(days, reverse=True)):
        if left <= 0:
            return
        some = pa.concat_tables([copy(days[day], first + 40 * k + i) for i in range(20)]).slice(0, left)
        lake.land_table(DEPARTURES, some, "2014-01-01T12:00:00Z")
        left -= some.num_rows


def gate(lake: GateLake, **options: int) -> tuple[Meter, GateRunReport]:
    with Meter() as meter:
        report = run_gate(lake.config, [DEPARTURES], at=AT, **options)
    return meter, report


def told(name: str, meter: Meter) -> str:
    return (
        f"{name:<34} {meter.cpu_seconds:>7.1f} CPU-seconds {meter.wall_seconds:>7.1f} s  "
        f"largest process {meter.peak_worker_bytes / 2**20:>6,.0f} MiB"
    )


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies = max(1, round(rows / 336_776))
        bounds = f"[{400 * copies}, {1300 * copies}]"
        text = (CONTRACTS / "departures.odcs.yaml").read_text()
        assert "mustBeBetween: [500, 1200]" in text
        (folder / "departures.odcs.yaml").write_text(
            text.replace("mustBeBetween: [500, 1200]", f"mustBeBetween: {bounds}")
        )
        (folder / "weather.odcs.yaml").write_text((CONTRACTS / "weather.odcs.yaml").read_text())
        files = {one: folder / f"{one}.odcs.yaml" for one in (WEATHER, DEPARTURES)}
        lake = GateLake(folder, files, pipeline="bench")
        days = fill(lake, copies)
        count = copies * sum(len(rows) for rows in days.values())
        print(f"{count:,} departures in {len(days)} files")
        with ray_session():
            import ray

            ray.get(ray.remote(lambda: None).remote())
            run_gate(lake.config, [WEATHER], at=AT, local_bytes=0)  # a running Ray, whose workers have imported us
            first, report = gate(lake)
            print(told("first gate", first), dict(report.timings))
            for one in report.datasets:
                print(f"  published {one.published:,}, quarantined {one.quarantined:,}, held {one.held:,}")
            empty, _ = gate(lake)
            print(told("nothing new", empty))
            land_more(lake, days, 1)
            fixed, _ = gate(lake, local_bytes=0)
            print(told("one row, on Ray Data", fixed))
            land_more(lake, days, round(count * MORE))
            second, report = gate(lake)
            print(told("1 % more", second), dict(report.timings))
        data = folder / "lake" / "bench" / "data"
        baseline = run([sys.executable, "-m", "tests.bench.gate_polars", str(data)], timeout=3600)
        print(
            f"{'polars, the same checks':<34} {baseline.cpu_seconds:>7.1f} CPU-seconds {baseline.wall_seconds:>7.1f} s"
            f"  {baseline.output.strip()}"
        )
        spent = first.cpu_seconds - fixed.cpu_seconds
        waited = first.wall_seconds - fixed.wall_seconds
        print(
            f"gate : polars    {spent / baseline.cpu_seconds:.2f} by CPU, {waited / baseline.wall_seconds:.2f} by wall"
        )
        print(f"1 % more : first {second.cpu_seconds / first.cpu_seconds:.3f} by CPU")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000)
