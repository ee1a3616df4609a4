"""The example's windows as one would write them in polars by hand, one process, for ``features_build``.

python -m tests.bench.features_build_polars FOLDER_OF_LANDED_DATA
"""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import polars as pl

HOUR = timedelta(hours=1)


def window(rows: pl.DataFrame, keys: list[str], late: str, width: timedelta) -> pl.DataFrame:
    """Return count, mean and share late at each moment at which one of them changes."""
    hop = max(timedelta(minutes=1), width / 120)
    size = int(hop.total_seconds() * 1e6)
    end = -(-pl.col("occurred_at").dt.epoch("us") // size) * size
    first = pl.max_horizontal(end, pl.col("_timestamp").dt.epoch("us"))
    stop = end - size + int(width.total_seconds() * 1e6) + 1
    ahead = pl.col("_timestamp") - pl.col("occurred_at")
    events = rows.filter(ahead.abs() <= HOUR).select(
        *keys, at=first, stop=stop, n=1, known=pl.col(late).is_not_null().cast(int), sum=pl.col(late).fill_null(0.0),
        late=(pl.col(late) > 15).fill_null(False).cast(int),
    )  # fmt: skip
    events = events.filter(pl.col("at") < pl.col("stop"))
    sums = ["n", "known", "sum", "late"]
    steps = pl.concat(
        [events.drop("stop"), events.with_columns(at="stop").drop("stop").with_columns(-pl.col(one) for one in sums)]
    )
    changes = steps.group_by([*keys, "at"]).agg(pl.col(one).sum() for one in sums).sort([*keys, "at"])
    running = changes.with_columns(pl.col(one).cum_sum().over(keys) for one in sums)
    known = pl.when(pl.col("known") > 0)
    return running.select(
        *keys, count="n", mean=known.then(pl.col("sum") / pl.col("known")),
        share=known.then(pl.col("late") / pl.col("known")), event_timestamp=pl.from_epoch("at", "us"),
    )  # fmt: skip


def main(folder: Path) -> None:
    def read(topic: str) -> pl.DataFrame:
        return pl.read_parquet(sorted((folder / topic).rglob("*.parquet")))

    weather, departures, arrivals = read("weather"), read("departures"), read("arrivals")
    flown = departures.filter(~pl.col("cancelled")).with_columns(carrier_code=pl.col("carrier").struct.field("code"))
    landed = arrivals.filter(~pl.col("diverted"))
    delay, late = "departure_delay_minutes", "arrival_delay_minutes"
    views = {
        "weather_at_origin": weather.select(
            "origin", "temperature_f", pl.col("wind").struct.field("speed_mph"), "precipitation_inches",
            "visibility_miles", "pressure_millibars", event_timestamp="observed_at",
        ),
        "origin_last_2h": window(flown, ["origin"], delay, 2 * HOUR),
        "carrier_last_24h": window(flown, ["carrier_code"], delay, 24 * HOUR),
        "route_last_24h": window(flown, ["origin", "destination"], delay, 24 * HOUR),
        "aircraft_last_arrival": arrivals.select(
            pl.col("aircraft").struct.field("tail_number"), late, "air_time_minutes", "destination",
            event_timestamp="occurred_at",
        ),
        "destination_last_7d": window(landed, ["destination"], late, 7 * 24 * HOUR),
    }  # fmt: skip
    rows = 0
    with tempfile.TemporaryDirectory() as out:
        for name, table in views.items():
            rows += table.height
            days = table.sort("event_timestamp").with_columns(_day=pl.col("event_timestamp").dt.date())
            for (day,), part in days.partition_by("_day", as_dict=True, maintain_order=True).items():
                part.drop("_day").write_parquet(Path(out) / f"{name}-{day}.parquet", compression="zstd")
    print(f"{rows:,} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
