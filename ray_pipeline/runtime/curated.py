"""What a gate left behind, for commands and notebooks: the curated table, held days, quarantined rows."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import UsageError
from ray_pipeline.gate.entries import OffsetSpan, ReleaseHeld, ReleaseQuarantine, Selection
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.gate.manifest import read_manifest
from ray_pipeline.gate.quarantine import QuarantineCount, QuarantinedRow, count_rows, show_rows
from ray_pipeline.gate.release import release_held, release_quarantine

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.iceberg.table import CuratedTable
    from ray_pipeline.lake.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class CuratedInfo:
    """Where a curated table is, and where the rows are that are not in it."""

    metadata: str | None
    """URI of the table's current metadata.json; None where nothing was published yet."""
    snapshot_id: int | None
    rows: int
    """Of that snapshot."""
    quarantined: int
    held: int

    def to_json(self) -> dict[str, Any]:
        """Return what ``curated --output json`` prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HeldDay:
    """One day that is held back."""

    dataset: str
    day: str
    rows: int
    files: int
    disposition: str
    """``held``: a check broke; ``pending``: one can still turn out either way."""
    reasons: tuple[str, ...]
    """Ids of the checks."""
    since: int
    """The ledger's entry that said so last."""
    released_by: str | None = None
    """Who let it through; the next gate publishes it."""


def ledger_of(config: PipelineConfig, store: ObjectStore, dataset: str) -> GateLedger:
    """Return the ledger of a dataset's gate; raise ``UsageError`` where there is no such dataset."""
    config.dataset(dataset)
    return GateLedger(store, config.pipeline, dataset, rng=SystemRandom())


def curated_table(config: PipelineConfig, dataset: str) -> CuratedTable | None:
    """Return the curated table of a dataset; None where nothing was published yet."""
    from ray_pipeline.connectors.iceberg.catalog import open_catalog

    config.dataset(dataset)
    return open_catalog(config).table(dataset)


def curated_info(config: PipelineConfig, store: ObjectStore, dataset: str) -> CuratedInfo:
    """Return where the table is, and the counts of its newest snapshot and of the ledger."""
    state = ledger_of(config, store, dataset).state()
    table = curated_table(config, dataset)
    if table is None:
        return CuratedInfo(None, None, 0, state.quarantined, state.held_rows)
    info = table.info()
    return CuratedInfo(info["metadata"], info["snapshot_id"], info["rows"], state.quarantined, state.held_rows)


def tag_snapshot(config: PipelineConfig, dataset: str, name: str, snapshot_id: int | None = None) -> None:
    """Give a snapshot of the curated table, by default the newest, a name; raise ``UsageError`` where there is none."""
    table = curated_table(config, dataset)
    chosen = None if table is None else snapshot_id or table.info()["snapshot_id"]
    if table is None or chosen is None:
        raise UsageError(f"{dataset} has no curated snapshot yet; run the gate first")
    table.tag(chosen, name)


def held_days(config: PipelineConfig, store: ObjectStore, datasets: Sequence[str]) -> list[HeldDay]:
    """Return every day that is held back, with the checks that hold it."""
    found = []
    for dataset in datasets:
        state = ledger_of(config, store, dataset).state()
        released = {release.day: release.allowed_by for release in state.pending_held}
        for day, files in state.held.items():
            manifest = read_manifest(store, state.days[day])
            rows = sum(file.rows for file in files)
            found.append(
                HeldDay(
                    dataset,
                    day,
                    rows,
                    len(files),
                    manifest.disposition.value,
                    manifest.reasons,
                    state.days[day].n,
                    released.get(day),
                )
            )
    return found


def let_through(config: PipelineConfig, store: ObjectStore, dataset: str, day: str, reason: str) -> ReleaseHeld:
    """Write down that a held day may be published; the next gate does it."""
    return release_held(ledger_of(config, store, dataset), day, reason, whoami())


def quarantine_counts(config: PipelineConfig, store: ObjectStore, dataset: str) -> list[QuarantineCount]:
    """Return how many rows are set aside, by day and check."""
    return count_rows(store, ledger_of(config, store, dataset).state())


def quarantined_rows(
    config: PipelineConfig, store: ObjectStore, dataset: str, selection: Selection, limit: int
) -> list[QuarantinedRow]:
    """Return some of the rows that are set aside."""
    return show_rows(store, ledger_of(config, store, dataset).state(), selection, limit)


def judge_again(
    config: PipelineConfig, store: ObjectStore, dataset: str, selection: Selection, reason: str, *, waive: bool
) -> ReleaseQuarantine:
    """Write down that quarantined rows are to be judged again; the next gate publishes those that hold."""
    return release_quarantine(ledger_of(config, store, dataset), selection, reason, whoami(), waive=waive)


def parse_offsets(texts: Sequence[str]) -> tuple[OffsetSpan, ...]:
    """Return what ``3:1042`` or ``3:1000-1099`` mean: a partition, and offsets with both ends counted in.

    >>> parse_offsets(["3:1000-1099"])
    (OffsetSpan(partition=3, start=1000, end=1100),)
    """
    spans = []
    for text in texts:
        partition, colon, offsets = text.partition(":")
        first, dash, last = offsets.partition("-")
        numbers = [partition, first, last if dash else first]
        if not colon or not all(number.isascii() and number.isdecimal() for number in numbers):
            raise UsageError(f"{text!r} names no offset: write PARTITION:OFFSET or PARTITION:FIRST-LAST, as in 3:1042")
        if int(numbers[2]) < int(numbers[1]):
            raise UsageError(f"{text!r} ends before it begins")
        spans.append(OffsetSpan(int(partition), int(numbers[1]), int(numbers[2]) + 1))
    return tuple(spans)


def whoami() -> str:
    """Return who gives an order, for the ledger."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        return socket.gethostname()
