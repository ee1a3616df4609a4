"""What the gate is compared with: polars over the same files, the same checks, one process.

python -m tests.bench.gate_polars DATA-FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def main(data: Path) -> None:
    rows = pl.scan_parquet(data / "departures" / "**" / "*.parquet")
    weather = pl.scan_parquet(data / "weather" / "**" / "*.parquet").select("origin", "observed_at").unique()
    day = pl.col("occurred_at").dt.date().alias("day")
    left, delay = pl.col("departed_at"), pl.col("departure_delay_minutes")
    landed = pl.col("occurred_at").dt.truncate("1d") + pl.duration(days=1)
    latency = (landed - pl.col("occurred_at")).dt.total_seconds()
    by_day = rows.group_by(day).agg(
        pl.len(),
        left.is_not_null().sum().alias("left"),
        delay.mean().alias("mean delay"),
        pl.col("distance_miles").mean().alias("mean distance"),
        (pl.col("carrier").struct.field("code") == "UA").mean().alias("united"),
        ((pl.col("cancelled") == left.is_not_null()) | (pl.col("cancelled") == delay.is_not_null()))
        .sum()
        .alias("sql 1"),
        (left.is_not_null() & ((left - pl.col("scheduled_departure_at")).dt.total_minutes() != delay))
        .sum()
        .alias("sql 2"),
        (pl.col("aircraft").struct.field("tail_number").is_null() & ~pl.col("cancelled")).sum().alias("sql 3"),
        latency.quantile(1.0).alias("latency"),
        (latency > 900).sum().alias("late"),
        pl.col("occurred_at").sort().diff().max().alias("gap"),
    )
    repeated = rows.group_by("flight_id").agg(pl.len()).filter(pl.col("len") > 1).select(pl.len())
    orphans = rows.select("origin", "scheduled_hour").join(
        weather, left_on=["origin", "scheduled_hour"], right_on=["origin", "observed_at"], how="anti"
    )
    days, twice, alone = pl.collect_all([by_day, repeated, orphans.select(pl.len())])
    print(f"{days['len'].sum():,} rows, {len(days)} days, {twice.item():,} repeated, {alone.item():,} without weather")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
