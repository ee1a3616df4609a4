"""What counting costs ingest: CPU of judging, landing and counting beside the same without counts, in one run.

    python -m tests.bench.drift_cost [records]

Both sides take turns over the same records, in batches as ingest polls them and files as it commits them; Kafka's
client is not in it, so the share of a whole ingest is smaller. Departures are real; predictions are made, of a model of
twenty features and three keys, which are parsed out of each request.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from ray_pipeline.clock import WallClock
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.demo.events import DEPARTURES, streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.drift.answers import Answers
from ray_pipeline.drift.baseline import Baseline, make_baseline
from ray_pipeline.drift.lens import RowLens, watched_kinds
from ray_pipeline.lake.landing import Checkpoint, Describe, land_rows
from ray_pipeline.lake.rows import landed_table
from ray_pipeline.runtime.drift.baseline_log import BaselineLog
from ray_pipeline.runtime.drift.counting import FileCounting
from ray_pipeline.stream.judging import judge_batch, sort_out
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import RecordBatch, TopicPartition

CONTRACTS = Path(__file__).parents[2] / "contracts" / "flights"
POLL, COMMIT, ROUNDS = 5_000, 100_000, 5
MODEL = "late/1"
AIM = 0.05


def departures(count: int) -> list[bytes]:
    """Return real departures in event-time order, repeated."""
    events = [one.value for one in streams(Days(date(2013, 1, 1), 60))[DEPARTURES].events() if one.value is not None]
    return list(islice(cycle(events), count))


def predictions(count: int) -> list[bytes]:
    """Return events of answers, one a second."""
    return list(islice(_predictions(), count))


def _predictions() -> Iterator[bytes]:
    rng, start, number = Random(1), datetime(2013, 2, 5, tzinfo=UTC), 0
    model = {"name": "late", "version": 1, "file": "0" * 64, "training_set": "late/1"}
    while True:
        asked = start + timedelta(seconds=number)
        features: list[dict[str, Any]] = [{"name": f"view__n{i}", "number": rng.gauss(0, 1)} for i in range(14)]
        features += [{"name": f"view__c{i}", "text": rng.choice("abcdefgh")} for i in range(3)]
        features += [{"name": "view__f", "flag": rng.random() < 0.5}, {"name": "view__none", "status": "NOT_FOUND"}]
        features.append({"name": "view__m", "moment": (asked - timedelta(seconds=rng.randrange(9000))).isoformat()})
        request = {
            "carrier": rng.choice(["AA", "UA", "B6"]),
            "origin": rng.choice(["EWR", "JFK"]),
            "seats": number % 300,
        }
        yield orjson.dumps(
            {
                "request_id": f"r{number}",
                "occurred_at": asked.isoformat(),
                "model": model,
                "label_key": f"flight-{number}",
                "request": orjson.dumps(request).decode(),
                "probability": rng.random(),
                "complete": True,
                "source": "online",
                "features": features,
                "views": [{"name": "view", "dataset": "departures", "offsets": []}],
            }
        )
        number += 1


def batches(values: list[bytes], topic: str) -> list[RecordBatch]:
    """Return records as they are polled."""
    found = []
    for start in range(0, len(values), POLL):
        some = values[start : start + POLL]
        end = start + len(some)
        keys: list[bytes | None] = [b"k"] * len(some)
        times = [1_360_000_000_000] * len(some)
        tp = TopicPartition(topic, 0)
        found.append(RecordBatch(tp, start, end, range(start, end), times, keys, list(some), lambda _: ()))
    return found


def ingest(contract: DataContract, polled: list[RecordBatch], describe: Describe | None) -> tuple[float, pa.Table]:
    """Judge and land everything; return the CPU-seconds, and the rows of the last files."""
    store, tables, rows = MemoryStore(), [], 0
    begin = time.process_time()
    for batch in polled:
        result = sort_out(contract, judge_batch(contract, batch))
        assert result.table is not None
        assert not result.bad, result.bad[0].violations
        tables.append(landed_table(contract, batch, result.rows, result.table))
        rows += len(batch)
        if rows >= COMMIT or batch is polled[-1]:
            place = Checkpoint("bench", batch.topic_partition, batch.end - rows, batch.end, 1, "n")
            land_rows(store, place, tables, contract.event_time, describe)
            last, tables, rows = pa.concat_tables(tables), [], 0
    return time.process_time() - begin, last


def baseline_of(contract: DataContract, rows: pa.Table) -> tuple[Baseline, str | None]:
    """Return bins made of some rows: of a dataset's columns, or of what a model saw."""
    if "features" not in rows.column_names:
        kinds = watched_kinds(contract)
        values, model, scores = RowLens(kinds).look(rows).values, None, None
    else:
        names = [f"view__n{i}" for i in range(14)] + ["view__none", "view__m", "seats"]
        kinds = dict.fromkeys(names, "number") | dict.fromkeys(["view__c0", "view__c1", "view__c2"], "category")
        kinds |= {"view__f": "flag", "carrier": "category", "origin": "category"}
        values, model = dict(Answers("late", 1, kinds, scored=True).look(rows).values), MODEL
        scores = values.pop("score")
    days = ["2013-02-05"] * rows.num_rows
    columns = {name: (kinds[name], found) for name, found in values.items()}
    every = np.ones(rows.num_rows, bool)
    return make_baseline(
        columns, days, fit_mask=every, scores=scores, score_days=None if scores is None else days
    ), model


def compare(name: str, values: list[bytes]) -> float:
    """Print what counting adds to one dataset's ingest, and return it as a share."""
    contract = load_contract(CONTRACTS / f"{name}.odcs.yaml")
    polled = batches(values, name)
    _, rows = ingest(contract, polled, None)  # and everything is warm
    baseline, model = baseline_of(contract, rows)
    store = MemoryStore()
    log = BaselineLog(store, "bench")
    log.add(name, baseline, model=model, first_day="2013-02-05", until_day="2013-02-06", who="bench")
    counting = FileCounting(store, "bench", name, clock=WallClock())
    counting.look()
    sides: tuple[list[float], list[float]] = ([], [])
    for turn in range(2 * ROUNDS):
        sides[turn % 2].append(ingest(contract, polled, None if turn % 2 == 0 else counting.footer)[0])
    plain, counted = (float(np.median(side)) for side in sides)
    share = counted / plain - 1
    footer = max(len(data) for data in (counting.footer(rows) or {}).values())
    print(
        f"{name}: {len(values):,} records, {len(baseline.columns)} columns: {plain:.2f} CPU-seconds without counts, "
        f"{counted:.2f} with: {share:+.1%} (aim: below {AIM:.0%}); a footer has {footer:,} bytes",
        flush=True,
    )
    _time_counting(counting, rows)
    return share


def _time_counting(counting: FileCounting, rows: pa.Table) -> None:
    begin = time.process_time()
    for _ in range(ROUNDS):
        counting.footer(rows)
    spent = (time.process_time() - begin) / ROUNDS
    print(f"  counting {rows.num_rows:,} rows of one file takes {spent * 1e3:.1f} ms of CPU", flush=True)


def main(records: int = 200_000) -> None:
    """Print the cost for both kinds of datasets."""
    compare("departures", departures(records))
    compare("predictions", predictions(records // 4))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
