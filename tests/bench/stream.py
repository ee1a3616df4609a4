"""Records per CPU-second of a whole ingest run beside a plain loop over the same topic, on a real Kafka.

    python -m tests.bench.stream [records]

Every figure is of all processes of a side (Ray's included, the broker's not), both sides run as many readers as the
machine has cores, and the ratio is of the same run: machines are noisy. The fixed cost (starting Ray, the actors and
the imports) is measured by a run over an empty topic and printed apart.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from itertools import cycle, islice
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from ray_pipeline.connectors.kafka.publisher import Publisher
from ray_pipeline.demo.events import DEPARTURES, streams
from ray_pipeline.demo.flights import Days
from tests.bench.cpu import Cost, run
from tests.servers.kafka import KafkaServer

CONTRACT = "contracts/flights/departures.odcs.yaml"
PARTITIONS = 4
PROCESSES = os.cpu_count() or 1
BAD_SHARE = 0.05
START = date(2013, 1, 1)


def values(count: int, bad_share: float) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield real departures, repeated, a seeded share of them without a required key."""
    rng = random.Random(1)
    days = Days(START, 60)
    events = [(e.key, e.value, e.timestamp_ms) for e in streams(days)[DEPARTURES].events()]
    for key, value, at in islice(cycle(events), count):
        assert value is not None
        if rng.random() < bad_share:
            value = value.replace(b'"flight_id"', b'"flight_nr"', 1)
        yield key, value, at


def fill(bootstrap: str, topic: str, count: int, bad_share: float) -> int:
    """Make a topic of so many records; return the mean size of a value in bytes."""
    admin = AdminClient({"bootstrap.servers": bootstrap})  # the answer needs it alive
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(15)
    size = 0
    with Publisher({"bootstrap.servers": bootstrap}) as publisher:
        for key, value, at in values(count, bad_share):
            publisher.publish(topic, key, value, at)
            size += len(value)
    return size // max(count, 1)


def ours(bootstrap: str, topic: str, folder: Path) -> Cost:
    """Run the product as a person would: the command line, a private Ray, a local store."""
    config = folder / f"{topic}.yaml"
    config.write_text(
        f"pipeline: bench\nkafka: {{bootstrap.servers: '{bootstrap}'}}\nstore: {folder / topic}\n"
        "ingest: {max_bad_share: 1}\n"
        f"datasets: {{departures: {{contract: {Path(CONTRACT).resolve()}, topic: {topic}}}}}\n"
    )
    return run([sys.executable, "-m", "ray_pipeline", "ingest", "-c", str(config), "--until-end", "-o", "json"])


def plain(bootstrap: str, topic: str, folder: Path, columns: str) -> Cost:
    """Run the hand-written loop, as many processes of it as we have actors.

    One alone would have a core to itself, and a second busy core slows the first down on most machines: CPU-seconds
    of a run on one core and of a run on two are not the same thing.
    """
    target = folder / f"plain-{topic}-{columns}"
    target.mkdir()
    loop = f'"{sys.executable}" -m tests.bench.plain_loop {bootstrap} {topic} {CONTRACT} "{target}" {columns}'
    return run(["sh", "-c", f"{' & '.join(f'{loop} {k}/{PROCESSES}' for k in range(PROCESSES))} & wait"])


def main(count: int) -> None:
    server = KafkaServer()
    server.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            fill(server.bootstrap, "empty", 0, 0.0)
            fixed = ours(server.bootstrap, "empty", folder)
            loop_fixed = plain(server.bootstrap, "empty", folder, "arrow")
            print(
                f"fixed cost: {fixed.cpu_seconds:.1f} CPU-seconds, {fixed.wall_seconds:.1f} s "
                f"(plain loop {loop_fixed.cpu_seconds:.1f}, {loop_fixed.wall_seconds:.1f} s)"
            )
            for bad_share in (BAD_SHARE, 0.0, 1.0):
                topic = f"bench-{int(bad_share * 100)}"
                size = fill(server.bootstrap, topic, count, bad_share)
                mine = ours(server.bootstrap, topic, folder)
                spent = mine.cpu_seconds - fixed.cpu_seconds
                print(f"\n{count:,} records of {size} bytes, {bad_share:.0%} bad")
                print(
                    f"  ray_pipeline        {count / spent:>9,.0f} records per CPU-second, "
                    f"{count / (mine.wall_seconds - fixed.wall_seconds):,.0f} per second, "
                    f"peak memory {mine.peak_rss_bytes / 2**20:,.0f} MiB"
                )
                for columns in ("arrow", "pylist"):
                    cost = plain(server.bootstrap, topic, folder, columns)
                    loop = cost.cpu_seconds - loop_fixed.cpu_seconds
                    print(
                        f"  plain loop, {columns:<7} {count / loop:>9,.0f} records per CPU-second, "
                        f"{count / (cost.wall_seconds - loop_fixed.wall_seconds):,.0f} per second; "
                        f"ratio {loop / spent:.2f}"
                    )
    finally:
        server.terminate()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400_000)
