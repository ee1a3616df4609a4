"""How long an answer takes: inside a replica, through Serve's proxy, and from a replica that listens itself.

    python -m tests.bench.serve [--quick] [part, default all: inside, proxy, direct]

Requests come at a constant rate, whatever becomes of the earlier ones, and each is timed from the moment it was due.
The proxy's share is measured in the same run, with an empty deployment behind it that takes turns with ours: what a
busy machine adds, it adds to both.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ray_pipeline.config import PipelineConfig
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.serve.app import App, make_app
from ray_pipeline.serve.desk import open_desk
from ray_pipeline.serve.metrics import STEPS
from ray_pipeline.serve.up import serving
from tests.bench.load import Load, offer
from tests.bench.serve_world import World, questions
from tests.servers.redis import RedisServer, RedisUnavailableError

PARTS = ("inside", "proxy", "direct")
INSIDE_RATE, INSIDE_MS = 100.0, 5.0
PROXY_RATE, PROXY_MORE_MS = 50.0, 10.0
DIRECT_RATE, DIRECT_MS = 200.0, 25.0
TURNS = 3
EMPTY = "/empty"
NO_WAIT = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""What a replica runs with."""


def main(parts: Sequence[str] = PARTS, *, quick: bool = False) -> None:
    """Print aim and measure of each part."""
    seconds = 4.0 if quick else 20.0
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker({"predictions": 4}) as broker:
        world = World(Path(folder), broker.bootstrap_servers)
        bodies = questions()
        print(f"{len(bodies):,} different requests, a model of {world.columns} columns")
        if "inside" in parts:
            _inside(world, bodies, seconds)
        if "proxy" in parts:
            _proxy(world.config(), bodies, seconds)
        if "direct" in parts:
            _direct(world.config(direct=True), bodies, seconds)


def _inside(world: World, bodies: Sequence[bytes], seconds: float) -> None:
    _drive("sqlite", world.config(), bodies, seconds)
    try:
        server = RedisServer().start()
    except RedisUnavailableError as reason:
        print(f"no Redis: {reason}")
        return
    try:
        _drive("redis", world.config(redis=server.address), bodies, seconds)
    finally:
        server.stop()


def _drive(kind: str, config: PipelineConfig, bodies: Sequence[bytes], seconds: float) -> None:
    """Call the application of one replica in this process, without Serve and without a socket."""
    desk = open_desk(config)
    steps: dict[str, list[float]] = {step: [] for step in STEPS}
    desk.metrics.seconds = {step: each.append for step, each in steps.items()}
    try:
        desk.champion.look()
        assert desk.champion.current is not None, desk.champion.trouble
        desk.start()
        warm = asyncio.run(_arriving(make_app(desk), bodies, INSIDE_RATE, min(2.0, seconds)))
        assert not warm.lost, warm.lost
        for each in steps.values():
            each.clear()
        began = time.process_time()
        found = asyncio.run(_arriving(make_app(desk), bodies, INSIDE_RATE, seconds)).load()
        spent = (time.process_time() - began) * 1000 / sum(found.statuses.values())
    finally:
        desk.close()
    _told(f"inside the replica, {kind}", found, INSIDE_MS)
    parts = "; ".join(f"{step} {_at(each, 0.5):.2f}, {_at(each, 0.99):.2f}" for step, each in steps.items())
    print(f"  ms by step, p50 and p99: {parts}; processor time an answer {spent:.2f} ms, the generator's included")


class _Arrivals:
    """What an application answered."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.latencies: list[float] = []
        self.late: list[float] = []
        self.lost: dict[str, int] = {}

    def load(self) -> Load:
        statuses = {"200": len(self.latencies), **self.lost}
        return Load(self.rate, [1000 * one for one in self.latencies], statuses, _at(self.late, 0.99))


async def _arriving(app: App, bodies: Sequence[bytes], rate: float, seconds: float) -> _Arrivals:
    """Call an application at a rate; a thread keeps the time, so a loop that is busy is seen as it would be outside."""
    loop, total, found = asyncio.get_running_loop(), int(rate * seconds), _Arrivals(rate)
    tasks: set[asyncio.Task[None]] = set()
    ended = asyncio.Event()
    first = time.perf_counter() + 0.1

    def begin(number: int) -> None:
        due = first + number / rate
        tasks.add(loop.create_task(_call(app, bodies[number % len(bodies)], due, found)))
        if number == total - 1:
            ended.set()

    def clock() -> None:
        for number in range(total):
            wait = first + number / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            found.late.append(time.perf_counter() - first - number / rate)
            loop.call_soon_threadsafe(begin, number)

    threading.Thread(target=clock, daemon=True).start()
    await ended.wait()
    await asyncio.gather(*tasks)
    return found


async def _call(app: App, body: bytes, due: float, found: _Arrivals) -> None:
    messages: list[dict[str, object]] = [{"type": "http.request", "body": body, "more_body": False}]
    status = ""

    async def receive() -> dict[str, object]:
        return messages.pop() if messages else await asyncio.Future()

    async def send(message: object) -> None:
        nonlocal status
        assert isinstance(message, dict)
        status = str(message.get("status", status))

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await app({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive, send)
    if status == "200":
        found.latencies.append(time.perf_counter() - due)
    else:
        found.lost[status] = found.lost.get(status, 0) + 1


def _proxy(config: PipelineConfig, bodies: Sequence[bytes], seconds: float) -> None:
    with serving(config) as served:
        from ray_pipeline.serve.ray_serve import LoggingConfig, serve

        quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
        empty = serve.deployment(_Empty, ray_actor_options={"num_cpus": 0}, logging_config=quiet)
        serve.run(empty.bind(), name="empty", route_prefix=EMPTY)
        address = urlsplit(served.url).netloc
        ours, theirs = [], []
        for _ in range(TURNS):
            theirs.append(offer(address, bodies, rate=PROXY_RATE, seconds=seconds, path=EMPTY))
            ours.append(offer(address, bodies, rate=PROXY_RATE, seconds=seconds))
        nothing = _together(theirs)
        print(f"through the proxy, nothing behind it, {nothing.shown()}{_machine()}")
        aim = nothing.percentile(0.99) + PROXY_MORE_MS
        _told("through the proxy", _together(ours), aim, f"nothing + {PROXY_MORE_MS:.0f} ms")


class _Empty:
    """What the proxy costs alone."""

    async def __call__(self, request: object) -> bytes:
        return b"{}"


def _direct(config: PipelineConfig, bodies: Sequence[bytes], seconds: float) -> None:
    with serving(config) as served:
        address = urlsplit(served.url).netloc
        loads = [offer(address, bodies, rate=DIRECT_RATE, seconds=seconds) for _ in range(TURNS)]
        _told("serve.direct", _together(loads), DIRECT_MS)


def _together(loads: Sequence[Load]) -> Load:
    """Return some loads of one rate as one."""
    statuses: dict[str, int] = {}
    for one in loads:
        for status, count in one.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    latencies = [each for one in loads for each in one.latencies_ms]
    return Load(loads[0].rate, latencies, statuses, max(one.late_ms for one in loads))


def _told(what: str, found: Load, aim: float, why: str = "") -> None:
    met = found.percentile(0.99) <= aim and set(found.statuses) == {"200"}
    reason = f" ({why})" if why else ""
    print(f"{what}, {found.shown()}; aim p99 <= {aim:.1f} ms{reason}: {'met' if met else 'MISSED'}{_machine()}")


def _machine() -> str:
    return f" [load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors]"


def _at(values: Sequence[float], share: float) -> float:
    """Return a percentile of seconds in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


if __name__ == "__main__":
    os.environ.update(NO_WAIT)
    chosen = [one for one in sys.argv[1:] if one != "--quick"]
    main(chosen or PARTS, quick="--quick" in sys.argv)
