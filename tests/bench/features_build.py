"""A year of flights built into the example's features, beside polars making the same windows in one process.

    python -m tests.bench.features_build

Both read the same curated files and write a file for each view and day. The baseline is what one would write by hand:
at each moment at which a window changes, running sums of what comes and goes. It rounds at every step, keeps no
offsets and no publication time, sets nothing aside, and syncs nothing to the disk. What a build costs as such (one
more day, of a table that is there) is printed apart and subtracted.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import date
from pathlib import Path

from ray_pipeline.connectors.iceberg.catalog import open_catalog
from ray_pipeline.demo.events import ARRIVALS, DEPARTURES, WEATHER, streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.runtime.jobs.features_build import build_features
from tests.bench.cpu import Cost, run
from tests.gate_lake import GateLake

ROOT = Path(__file__).parents[2]
YEAR = Days(date(2013, 1, 1), 365)
TOPICS = (DEPARTURES, ARRIVALS, WEATHER)


def fill(lake: GateLake) -> dict[str, list[str]]:
    """Land a year, but for its last week, and make it curated as it landed; return the rest of the files."""
    rest: dict[str, list[str]] = {}
    with open_catalog(lake.config) as catalog:
        for topic in TOPICS:
            events = list(streams(YEAR)[topic].events())
            entry = lake.land(
                topic, [event.value or b"" for event in events], published=[event.timestamp_ms for event in events]
            )
            contract = lake.contract(topic)
            table = catalog.ensure(topic, landed_schema(contract), contract.event_time)
            files = sorted(entry.files, key=lambda file: file.day or "")
            uris = [lake.store.uri(file.key) for file in files]
            table.publish(0, uris[:-7], {}, landed_schema(contract))
            rest[topic] = uris[-7:]
            print(f"{topic:<12} {entry.good:>8,} rows, {sum(file.bytes for file in files) / 2**20:,.1f} MiB")
    return rest


def opened(folder: Path) -> GateLake:
    files: dict[str, Path | str] = {one: ROOT / f"contracts/flights/{one}.odcs.yaml" for one in TOPICS}
    return GateLake(folder, files, "flights", more=f"features: {{repo: '{ROOT / 'configs/flights'}'}}")


def land(folder: Path) -> None:
    """Make the lake, and say which files become curated later."""
    (folder / "rest.json").write_text(json.dumps(fill(opened(folder))))


def one_day_more(folder: Path) -> None:
    """Make the next file of each topic curated."""
    lake = opened(folder)
    rest = json.loads((folder / "rest.json").read_text())
    with open_catalog(lake.config) as catalog:
        for topic in TOPICS:
            curated = catalog.table(topic)
            assert curated is not None
            curated.publish(1, rest[topic][:1], {})


def build(folder: Path) -> None:
    """Build all views, in this process."""
    report = build_features(opened(folder).config, local_bytes=1 << 40)
    print(f"{sum(view.rows_computed for view in report.views):,} rows", report.timings)


def told(name: str, cost: Cost) -> str:
    return (
        f"{name:<26} {cost.cpu_seconds:>6.1f} CPU-seconds {cost.wall_seconds:>6.1f} s  "
        f"{cost.peak_rss_bytes / 2**20:>6,.0f} MiB  {cost.output.strip()}"
    )


def main() -> None:
    """Print what each costs, and the ratios; every step is a process of its own."""
    with tempfile.TemporaryDirectory() as folder:

        def step(module: str, *arguments: str) -> Cost:
            return run([sys.executable, "-W", "ignore", "-m", f"tests.bench.{module}", *arguments], timeout=3600)

        print(step("features_build", "land", folder).output.strip())
        year = step("features_build", "build", folder)
        print(told("51 weeks", year))
        step("features_build", "one_day_more", folder)
        fixed = step("features_build", "build", folder)
        print(told("one day more", fixed))
        baseline = step("features_build_polars", str(Path(folder, "lake", "flights", "data")))
        started = run([sys.executable, "-c", "import polars"])
        print(told("polars, the same windows", baseline))
        cpu = (year.cpu_seconds - fixed.cpu_seconds) / (baseline.cpu_seconds - started.cpu_seconds)
        wall = (year.wall_seconds - fixed.wall_seconds) / (baseline.wall_seconds - started.wall_seconds)
        print(f"build : polars    {cpu:.2f} by CPU, {wall:.2f} by wall")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        {"land": land, "build": build, "one_day_more": one_day_more}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
