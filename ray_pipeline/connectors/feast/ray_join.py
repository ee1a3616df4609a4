"""Labels with the features of many views, as each label's moment knew them: joined here, or by plain tasks of Ray.

The labels' entities are numbered, and that small table goes to every task: a task reads its share of the files, keeps
the rows of those entities and deals them out to the blocks; a task for each block answers its labels.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ray_pipeline.connectors.feast.view_join import (
    Question,
    answer,
    asked_moments,
    asked_of,
    asked_rows,
    check,
    deal,
    gather,
    in_memory,
    question,
    read_share,
)
from ray_pipeline.connectors.feast.view_plan import (
    FeatureFile,
    FilesystemFiles,
    IcebergFiles,
    LocalFiles,
    Opener,
    ViewPlan,
)
from ray_pipeline.connectors.feast.view_rows import Piece, conformed, pieces
from ray_pipeline.errors import FeatureComputeError, RayPipelineError, UsageError

__all__ = ["FeatureFile", "FilesystemFiles", "IcebergFiles", "LocalFiles", "Opener", "ViewPlan", "join_views"]

LOCAL_BYTES = 64 << 20
"""Up to so many bytes of Parquet are joined in this process: starting Ray would cost more than they do."""
TASK_BYTES = 64 << 20
"""What one task reads, and what one block holds of it, roughly."""
_MOST_BLOCKS = 1024


def join_views(
    labels: pa.Table,
    plans: Sequence[ViewPlan],
    *,
    at: str = "event_timestamp",
    statuses: bool = False,
    blocks: int | None = None,
    local_bytes: int = LOCAL_BYTES,
    ray_address: str | None = None,
) -> pa.Table:
    """Return the labels with the features of every view: one row for each label, in their order.

    With ``statuses`` each view adds ``<view>__status`` (PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE) and ``<view>__event``
    (microseconds: the moment of the row that was found, too old or not). A Ray that is up is used as it is; else one
    is reached at ``ray_address`` or ``RAY_ADDRESS``, or started on this machine for this call. A task that fails fails
    the call.
    """
    check(labels, plans, statuses=statuses)
    moments = asked_moments(labels, at)
    asked = [question(labels, plan, moments, statuses=statuses) for plan in plans]
    size = sum(plan.size for plan in plans)
    if size <= local_bytes or not labels.num_rows:
        joined = [_here(plan, one, blocks or 1) for plan, one in zip(plans, asked, strict=True)]
    else:
        with _session(ray_address, size) as cpus:
            joined = [
                _told_plainly(plan, one, blocks, cpus) if plan.size else _here(plan, one, 1)
                for plan, one in zip(plans, asked, strict=True)
            ]
    for plan, table in zip(plans, joined, strict=True):
        for name in table.column_names if statuses else plan.features.values():
            labels = labels.append_column(table.schema.field(name), table.column(name))
    return labels


def _here(plan: ViewPlan, asked: Question, blocks: int) -> pa.Table:
    rows = read_share(plan, [Piece(file) for file in plan.files], asked)
    if plan.rows is not None:
        rows = pa.concat_tables([rows, in_memory(plan, asked)])
    parts = zip(asked_of(asked, blocks), deal(rows, blocks), strict=True)
    return gather([answer(plan, entity, at, part) for (_, entity, at), part in parts], asked)


def _told_plainly(plan: ViewPlan, asked: Question, blocks: int | None, cpus: int) -> pa.Table:
    """Raise a task's own error instead of Ray's wrapping of it."""
    import ray

    try:
        return _on_ray(plan, asked, blocks, cpus)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RayPipelineError):
            raise error.cause from None
        raise FeatureComputeError(plan.name, "", f"a task of the join failed: {type(error.cause).__name__}") from error
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise FeatureComputeError(plan.name, "", f"a task of the join failed: {reason}") from error


def _on_ray(plan: ViewPlan, asked: Question, blocks: int | None, cpus: int) -> pa.Table:
    """Two waves of tasks: shares of the files to blocks, then each block's answers."""
    import ray

    blocks = blocks or min(_MOST_BLOCKS, max(cpus, -(-plan.size // TASK_BYTES)))
    read = ray.remote(_read_task).options(num_cpus=1, num_returns=blocks)
    solve = ray.remote(_answer_task).options(num_cpus=1)
    bare = replace(plan, rows=None)
    # By reference, so that it lies in the object store's memory only: opening a file may need a password, and Ray
    # keeps what a task is called with in its control store.
    told = ray.put((bare, replace(asked, entity=asked.entity[:0], at=asked.at[:0]), blocks))
    started: list[Any] = [read.remote(told, share) for share in _shares(plan, cpus)]
    dealt: list[list[Any]] = [one if blocks > 1 else [one] for one in started]
    answers = [
        solve.remote(told, ray.put((entity, at)), *(parts[block] for parts in dealt))
        for block, (_, entity, at) in enumerate(asked_of(asked, blocks))
    ]
    # Where one fails, the others run to their end for nobody: `ray.cancel` aborts this very process where a task ends
    # at the same moment ("Tried to complete task that was not pending").
    return gather([_table(ray.get(ref)) for ref in answers], asked)


def _shares(plan: ViewPlan, cpus: int) -> Iterator[list[Piece] | pa.Buffer]:
    """Deal the files out to shares of about one size, largest first, so that none comes late and large."""
    size = min(TASK_BYTES, -(-plan.size // cpus))
    cut = sorted(pieces(plan, size), key=lambda piece: -piece[1])
    count = min(len(cut), max(1, -(-sum(bytes_ for _, bytes_ in cut) // max(1, size))))
    shares: list[list[Piece]] = [[] for _ in range(count)]
    filled = [0] * count
    for piece, bytes_ in cut:
        least = filled.index(min(filled))
        shares[least].append(piece)
        filled[least] += max(1, bytes_)
    yield from shares
    if plan.rows is not None:
        rows = conformed(plan, plan.rows)
        step = max(1, rows.num_rows * size // max(1, rows.nbytes))
        for first in range(0, max(1, rows.num_rows), step):
            yield _buffer(rows.slice(first, step))


def _read_task(told: tuple[ViewPlan, Question, int], share: list[Piece] | pa.Buffer) -> Any:
    """Read a share and return a part for each block."""
    _one_thread()
    plan, asked, blocks = told
    if isinstance(share, list):
        rows = read_share(plan, share, asked)
    else:
        rows = asked_rows(plan, _table(share), asked.entities)
    parts = [_buffer(part) for part in deal(rows, blocks)]
    return parts if blocks > 1 else parts[0]


def _answer_task(told: tuple[ViewPlan, Question, int], labels: tuple[Any, Any], *parts: pa.Buffer) -> pa.Buffer:
    """Answer the labels of a block from its parts of all shares."""
    _one_thread()
    rows = pa.concat_tables([_table(part) for part in parts])
    return _buffer(answer(told[0], *labels, rows))


def _buffer(table: pa.Table) -> pa.Buffer:
    """Write a table: unlike its pickle it holds the rows of a slice and no others, and is read without a copy."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _table(buffer: pa.Buffer) -> pa.Table:
    with pa.ipc.open_stream(buffer) as reader:
        return reader.read_all()


def _one_thread() -> None:
    """A task has one CPU; polars would take all of them."""
    if "polars" not in sys.modules:
        os.environ["POLARS_MAX_THREADS"] = "1"
    pa.set_cpu_count(1)


@contextmanager
def _session(address: str | None, size: int) -> Iterator[int]:
    """Use the Ray that is up, else connect or start one, and let go of that; yield its number of CPUs.

    A private one listens on loopback only, and its token lives in this process and its children.
    """
    import ray
    from ray._private import ray_constants, worker

    if ray.is_initialized():
        yield _cpus()
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    local = address == "local"
    _knock(address)
    set_here = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in (*set_here, "RAY_AUTH_TOKEN")}
    clustered, printed = ray_constants.ENABLE_RAY_CLUSTER, worker._worker_logs_enabled
    extra: dict[str, Any] = {}
    if local:
        os.environ.update(set_here)
        ray_constants.ENABLE_RAY_CLUSTER = False
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # What is dealt out lies there, unpacked; what does not fit goes to disk.
        extra = {"include_dashboard": False, "object_store_memory": min(max(4 * size, 128 << 20), 2 << 30)}
    try:
        worker._worker_logs_enabled = False
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **extra)
        except (OSError, RuntimeError, ray.exceptions.RayError) as error:
            raise UsageError(f"no Ray at {address}: {str(error).splitlines()[0]}") from error
        try:
            yield _cpus()
        finally:
            ray.shutdown()
    finally:
        ray_constants.ENABLE_RAY_CLUSTER, worker._worker_logs_enabled = clustered, printed
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _knock(address: str) -> None:
    """Ray itself would wait for minutes where nobody answers."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except (OSError, OverflowError):
            raise UsageError(f"no Ray at {address}: nothing answers there; start it, or correct the address") from None


def _cpus() -> int:
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]
