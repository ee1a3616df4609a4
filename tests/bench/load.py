"""Requests at a constant rate, whether or not the earlier ones are answered: an open loop, in a process of its own.

A request's latency counts from the moment that it was due, so a server that stalls is charged for everybody who came
in the meantime, and so is a generator that is late (``late_ms`` says how much of it that was). Connections are kept
alive; a request that finds none idle opens another. One thread and ``select``, whose timeouts are finer than epoll's
millisecond, because the generator shares the processors with the server that it measures.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

MOST_CONNECTIONS = 500
PATIENCE = 15.0


@dataclass
class Load:
    """What came back."""

    rate: float
    latencies_ms: list[float]
    """Of the answered ones, in the order of their answers."""
    statuses: dict[str, int]
    """By HTTP status; ``none``: no answer."""
    late_ms: float
    """The 99th percentile of how late the generator itself was."""
    bodies: dict[str, str] = field(default_factory=dict)
    """The first body of each status."""

    def percentile(self, share: float) -> float:
        """Return a percentile in milliseconds; a request without an answer is slower than all others."""
        lost = self.statuses.get("none", 0)
        ordered = [*sorted(self.latencies_ms), *[float("inf")] * lost]
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")

    def shown(self) -> str:
        """The load as one line."""
        others = {status: count for status, count in self.statuses.items() if status != "200"}
        wrong = f", NOT ANSWERED BY 200: {others}" if others else ""
        return (
            f"{self.rate:.0f}/s: p50 {self.percentile(0.5):.1f} ms, p99 {self.percentile(0.99):.1f} ms, "
            f"p99.9 {self.percentile(0.999):.1f} ms of {sum(self.statuses.values()):,}; "
            f"sent late by {self.late_ms:.2f} ms{wrong}"
        )


def offer(
    address: str,
    bodies: Sequence[bytes],
    *,
    rate: float,
    seconds: float,
    path: str = "/predict",
    headers: Mapping[str, str] | None = None,
    warm: float = 2.0,
) -> Load:
    """Send ``bodies`` in turn to ``host:port`` from another process; the first ``warm`` seconds are not counted."""
    told = {
        "address": address,
        "bodies": [body.decode() for body in bodies],
        "rate": rate,
        "seconds": seconds,
        "path": path,
        "headers": dict(headers or {}),
        "warm": warm,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(told),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=seconds + warm + PATIENCE + 60,
    )
    return Load(**json.loads(done.stdout))


class _Connection:
    """One connection, and the request that is under way on it."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due = 0.0
        self.counted = False
        self.received = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, message: bytes, due: float, counted: bool) -> None:
        self.due, self.counted, self.received = due, counted, b""
        self.socket.send(message)  # a few hundred bytes into an empty buffer: always whole

    def receive(self) -> tuple[str, bytes] | None:
        """Return status and body when they are complete; raise ``OSError`` where the other side has closed."""
        found = self.socket.recv(65_536)
        if not found:
            raise ConnectionResetError
        self.received += found
        head, gap, body = self.received.partition(b"\r\n\r\n")
        if not gap:
            return None
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)
        complete = body.endswith(b"0\r\n\r\n") if length is None else len(body) >= length
        return (head[9:12].decode(), body) if complete else None


def drive(told: Mapping[str, Any]) -> Load:
    """Send and receive in this thread until all are answered or :data:`PATIENCE` is over."""
    host, _, port = told["address"].rpartition(":")
    messages = [_message(told, body.encode()) for body in told["bodies"]]
    step, first = 1.0 / told["rate"], time.perf_counter() + 0.1
    warm, total = int(told["rate"] * told["warm"]), int(told["rate"] * (told["warm"] + told["seconds"]))
    idle: list[_Connection] = []
    busy: set[_Connection] = set()
    latencies: list[float] = []
    late: list[float] = []
    statuses: Counter[str] = Counter()
    bodies: dict[str, str] = {}
    sent = 0
    while sent < total or busy:
        now = time.perf_counter()
        while sent < total and first + sent * step <= now:
            due = first + sent * step
            counted = sent >= warm
            try:
                if len(busy) >= MOST_CONNECTIONS:
                    raise ConnectionRefusedError
                one = idle.pop() if idle else _Connection(host, int(port))
                one.send(messages[sent % len(messages)], due, counted)
                busy.add(one)
            except OSError:  # nobody listens, or an idle connection was closed in this moment
                statuses["none"] += counted
            if counted:
                late.append(time.perf_counter() - due)
            sent += 1
        if sent == total and now > first + total * step + PATIENCE:
            break
        wait = max(0.0, first + sent * step - time.perf_counter()) if sent < total else 0.5
        # What is idle is listened to as well: the server may close it.
        for one in select.select([*busy, *idle], (), (), wait)[0]:
            try:
                answer = one.receive()
            except OSError:
                one.socket.close()
                if one in busy:
                    busy.remove(one)
                    statuses["none"] += one.counted
                else:
                    idle.remove(one)
                continue
            if answer is None:
                continue
            busy.remove(one)
            idle.append(one)
            if one.counted:
                latencies.append((time.perf_counter() - one.due) * 1000)
                statuses[answer[0]] += 1
                bodies.setdefault(answer[0], answer[1].decode(errors="replace")[:500])
    statuses["none"] += sum(one.counted for one in busy)
    for one in (*idle, *busy):
        one.socket.close()
    late.sort()
    return Load(
        told["rate"], latencies, {k: n for k, n in statuses.items() if n}, late[int(len(late) * 0.99)] * 1000, bodies
    )


def _message(told: Mapping[str, Any], body: bytes) -> bytes:
    headers = {"host": told["address"], "content-type": "application/json", "content-length": str(len(body))}
    lines = [f"POST {told['path']} HTTP/1.1", *(f"{k}: {v}" for k, v in (headers | told["headers"]).items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


if __name__ == "__main__":
    json.dump(asdict(drive(json.load(sys.stdin))), sys.stdout)
