"""The audit: prove from the objects alone that what landed is what was read, once, and as the contract says.

Every object of a pipeline's logs is read, and every file that they name; no count is taken on trust. A breach is
named by its object and offset, and the audit goes on with what is left. What objects cannot prove is listed as not
checked: nothing is claimed that was not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import Data, LogEntry, Open
from ray_pipeline.lake.keys import LogId, entry_key, log_prefix, marker_key
from ray_pipeline.lake.log_reader import decode_entry
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.read_ahead import read_ahead
from ray_pipeline.lake.verify_chain import ChainCheck
from ray_pipeline.lake.verify_contracts import ContractShelf
from ray_pipeline.lake.verify_copies import CopyCheck
from ray_pipeline.lake.verify_dead_letters import DeadLetterCheck, DeadLetterReader, Offsets
from ray_pipeline.lake.verify_files import FileCheck
from ray_pipeline.lake.verify_ledger import Ledger
from ray_pipeline.lake.verify_listing import LogObjects, list_logs
from ray_pipeline.lake.verify_lost_logs import lost_logs
from ray_pipeline.lake.verify_report import InvariantResult, Status, VerifyReport

_NO_BROKERS = "not checked: it needs the brokers (--brokers)"
_HINT = "not checked: the group's offset is a hint for lag tools, and nothing reads it"
_LIVE = "not checked: it is about time to come, and only a running pipeline can show it"
_PREFIX = (
    "entries are numbered without a hole and never change, so the first n of them are always the same; "
    "checked: markers are there, and segments repeat their entries"
)
_TAIL = "entries that were cut off at a log's end show only where a segment still tells of them"
_NOTHING = "no log was found: nothing is proven; is this the pipeline, and the store, of a run that committed?"
_LOST = "is missing, though later objects of this log are there"
_IMAGE = "a row counts as valid when some valid record lands as it; absent and null are one in Parquet"
_QUICK = "verdicts were not judged again (quick): ranges, columns and recorded contracts were"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the audit is, for a progress bar."""

    log: str
    entry: int
    entries: int
    rows: int


def verify(
    store: ObjectStore,
    pipeline: str,
    topics: Collection[str] | None = None,
    *,
    dead_letters: DeadLetterReader | None = None,
    object_names: Mapping[str, str | None] | None = None,
    quick: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> VerifyReport:
    """Audit a pipeline, or some of its topics. Raises only where the store does not answer.

    ``dead_letters`` reads a source topic's dead-letter topic, which I8 needs. ``object_names`` says, by topic, which
    object of an ODCS contract with several is meant. ``quick`` judges no record again.
    """
    ledger = Ledger()
    shelf = ContractShelf(store, pipeline, object_names or {})
    letters: dict[str, DeadLetterCheck] = {}
    known: list[LogId] = []
    for objects in list_logs(store, pipeline, topics):
        known.append(objects.log)
        check = letters.setdefault(objects.log.topic, DeadLetterCheck())
        _check_log(store, objects, shelf, ledger, check, quick=quick, progress=progress)
    lost = list(lost_logs(store, pipeline, topics, known))
    for log, file in lost:
        ledger.broken("I1", log, entry_key(log, 0), None, f"the whole log is gone, and {file} is still there")
    unread = _compare_dead_letters(letters, dead_letters, ledger)
    results = [
        ledger.result("I1", _TAIL),
        *(ledger.result(name) for name in ("I2", "I3", "I4", "I5", "I6")),
        ledger.result("I7", "; ".join([_QUICK if quick else _IMAGE, *shelf.limits()])),
        _dead_letter_result(ledger, letters, unread),
        InvariantResult("I9", Status.NOT_CHECKED, note=_HINT),
        ledger.result("I10", _PREFIX),
        InvariantResult("I11", Status.NOT_CHECKED, note=_LIVE),
    ]
    notes: tuple[str, ...] = ()
    if not ledger.counts.logs and not lost:
        results = [InvariantResult(result.id, Status.NOT_CHECKED) for result in results]
        notes = (_NOTHING,)
    return VerifyReport(pipeline, store.url, tuple(results), ledger.counts, quick, notes)


def _compare_dead_letters(
    letters: Mapping[str, DeadLetterCheck], reader: DeadLetterReader | None, ledger: Ledger
) -> list[str]:
    """Compare what can be read; return the topics whose dead letters cannot."""
    unread = []
    for name, check in letters.items():
        topic = None if reader is None else reader(name)
        if topic is None:
            unread.append(name)
        else:
            check.compare(topic, ledger)
    return unread


def _dead_letter_result(ledger: Ledger, letters: Collection[str], unread: Collection[str]) -> InvariantResult:
    note = _NO_BROKERS if len(unread) == len(letters) else f"not checked for {', '.join(unread)}" if unread else ""
    found = ledger.result("I8", note)
    if note is _NO_BROKERS and found.status is Status.HELD:  # the entries alone can contradict it, but not prove it
        return InvariantResult("I8", Status.NOT_CHECKED, note=note)
    return found


def _check_log(
    store: ObjectStore,
    objects: LogObjects,
    shelf: ContractShelf,
    ledger: Ledger,
    letters: DeadLetterCheck,
    *,
    quick: bool,
    progress: Callable[[Progress], None] | None,
) -> None:
    log = objects.log
    ledger.counts.logs += 1
    chain = ChainCheck(log, ledger)
    files = FileCheck(store, log, shelf, ledger, quick=quick)
    copies = CopyCheck(store, objects, ledger)
    bad: list[Offsets] = []
    end = through = 0
    if store.get(marker_key(log)) is None:
        ledger.broken("I10", log, marker_key(log), None, "is missing: snapshots do not see this log")
    expected = 0
    contents = read_ahead(store, (entry_key(log, n) for n in objects.entries))
    for done, (n, (key, content)) in enumerate(zip(objects.entries, contents, strict=True), start=1):
        if n != expected:
            ledger.broken("I1", log, entry_key(log, expected), None, _LOST)
            chain.interrupted()
            copies.interrupted(n)
        expected = n + 1
        entry = _decoded(content, log, n, key, ledger)
        if content is None or entry is None:
            chain.interrupted()
            copies.interrupted(n + 1)
            continue
        ledger.counts.entries += 1
        chain.entry(key, entry)
        copies.entry(n, content, chain.tail)
        if isinstance(entry, Open):
            end = through = entry.start
        if isinstance(entry, Data):
            bad.append(files.entry(key, entry))
            end, through = max(end, entry.end), max(through, entry.dlq_through)
        if progress is not None:
            progress(Progress(log_prefix(log), done, len(objects.entries), ledger.counts.rows))
    if objects.missing is not None:
        ledger.broken("I1", log, entry_key(log, objects.missing), None, _LOST)
    refused = np.concatenate(bad) if bad else np.empty(0, np.int64)
    letters.add(log, refused, end=end, dlq_through=through)


def _decoded(content: bytes | None, log: LogId, n: int, key: str, ledger: Ledger) -> LogEntry | None:
    if content is None:
        ledger.broken("I1", log, key, None, _LOST)
        return None
    try:
        return decode_entry(content, log, n)
    except LogBrokenError as error:
        ledger.broken("I1", log, key, None, error.reason)
        return None
