"""Baselines that live data is compared with: numbered documents in the object store, which never change.

A document names two files by their SHA-256 and ends with its own, so that a changed byte is found by whoever reads it.
The newest one counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock, WallClock, backoff
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.errors import BaselineError, CommitUnknownError, FileCorruptError, StoreUnavailableError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.runtime.drift import keys
from ray_pipeline.types import ContractRef

if TYPE_CHECKING:
    from ray_pipeline.lake.ports import ObjectStore

FORMAT = 1
ATTEMPTS = 8
"""How often a write is tried before its outcome is called unknown."""


@dataclass(frozen=True, slots=True)
class WatchedBaseline:
    """One baseline of a subject."""

    subject: str
    """The dataset."""
    number: int
    """From 1, without holes."""
    digest: str
    """Of its bins and counts, and of the model version whose answers they are: counts of one digest add up."""
    baseline: Baseline
    model: str | None
    """``late_arrival/3``: only what this version answered is counted. None: every landed row is."""
    contract: ContractRef | None
    """What the rows were landed under; the last of them, where there were several."""
    first_day: str
    until_day: str
    """ISO day, the first that is not in it any more."""
    created_at: str
    created_by: str
    reason: str
    notices: tuple[str, ...] = ()
    """What to know about it: columns that were left out, and why."""


class BaselineLog:
    """The baselines of a pipeline. What was read once is kept: no document ever changes."""

    def __init__(
        self, store: ObjectStore, pipeline: str, *, clock: Clock | None = None, rng: Random | None = None
    ) -> None:
        self.store, self.pipeline = store, pipeline
        self._clock: Clock = clock or WallClock()
        self._rng = rng or SystemRandom()
        self._read: dict[tuple[str, int], WatchedBaseline] = {}

    def newest(self, subject: str) -> WatchedBaseline | None:
        """Return the baseline that counts; None where the subject has none."""
        numbers = self._numbers(subject)
        return self._listed(subject, numbers[-1]) if numbers else None

    def newest_after(self, subject: str, number: int) -> WatchedBaseline | None:
        """Return the newest baseline later than ``number``; None where there is none. One read where nothing came."""
        found = None
        while (data := self.store.get(keys.baseline_key(self.pipeline, subject, number + 1))) is not None:
            number, found = number + 1, data
        return None if found is None else self._opened(subject, number, found)

    def get(self, subject: str, number: int) -> WatchedBaseline:
        """Return one baseline; ``BaselineError`` where there is none of this number."""
        found = self._find(subject, number)
        if found is None:
            raise BaselineError(subject, f"there is none of number {number}")
        return found

    def all(self, subject: str) -> tuple[WatchedBaseline, ...]:
        """Return every baseline, oldest first."""
        return tuple(self._listed(subject, number) for number in self._numbers(subject))

    def add(
        self,
        subject: str,
        baseline: Baseline,
        *,
        model: str | None = None,
        contract: ContractRef | None = None,
        first_day: str,
        until_day: str,
        who: str,
        reason: str = "",
        notices: Sequence[str] = (),
    ) -> WatchedBaseline:
        """Keep a baseline and give it the next number; where the newest one is this one already, return that.

        Whoever is killed in here leaves files that no document names.
        """
        if not baseline.columns and baseline.score is None:
            raise BaselineError(subject, "it has no column that could be compared")
        if not _is_day(first_day) or not _is_day(until_day) or first_day >= until_day:
            raise BaselineError(subject, f"{first_day!r} to {until_day!r} is no range of ISO days, as in 2013-02-05")
        files = baseline.to_files()
        facts = {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in sorted(files.items())}
        digest = _digest(facts, model)
        for name, data in files.items():
            self._keep_file(_sha256(data), name, data)
        said = {
            "format": FORMAT,
            "subject": subject,
            "digest": digest,
            "model": model,
            "contract": None if contract is None else asdict(contract),
            "first_day": first_day,
            "until_day": until_day,
            "created_at": timestamp_text(self._clock.now()),
            "created_by": who,
            "reason": reason,
            "notices": list(notices),
            "rows": baseline.rows,
            "files": facts,
            "nonce": f"{self._rng.getrandbits(64):016x}",
        }
        newest = self.newest(subject)
        while True:
            if newest is not None and _same(newest, digest, contract):
                return newest
            number = 1 if newest is None else newest.number + 1
            data = seal({**said, "number": number})
            there = self._create(keys.baseline_key(self.pipeline, subject, number), data)
            if there is None:
                raise CommitUnknownError(keys.baselines_prefix(self.pipeline, subject), number)
            newest = self._opened(subject, number, there)
            if there == data:  # the nonce is in it, so it is ours
                return newest

    def _listed(self, subject: str, number: int) -> WatchedBaseline:
        found = self._find(subject, number)
        if found is None:
            key = keys.baseline_key(self.pipeline, subject, number)
            raise StoreUnavailableError(self.store.url, "show", f"{key} was listed, and is not there")
        return found

    def _find(self, subject: str, number: int) -> WatchedBaseline | None:
        known = self._read.get((subject, number))
        if known is not None:
            return known
        data = self.store.get(keys.baseline_key(self.pipeline, subject, number))
        return None if data is None else self._opened(subject, number, data)

    def _opened(self, subject: str, number: int, data: bytes) -> WatchedBaseline:
        key = keys.baseline_key(self.pipeline, subject, number)
        known = self._read.get((subject, number))
        if known is not None:
            return known
        try:
            said = _checked(unseal(data), subject, number)
            baseline = Baseline.from_files(self._files(said["files"]), place=key)
            found = WatchedBaseline(
                subject=subject,
                number=number,
                digest=said["digest"],
                baseline=baseline,
                model=said["model"],
                contract=None if said["contract"] is None else ContractRef(**said["contract"]),
                first_day=said["first_day"],
                until_day=said["until_day"],
                created_at=said["created_at"],
                created_by=said["created_by"],
                reason=said["reason"],
                notices=tuple(said["notices"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FileCorruptError(key, f"is not the document of a baseline ({type(error).__name__})") from None
        except ValueError as error:
            raise FileCorruptError(key, str(error)) from None
        self._read[subject, number] = found
        return found

    def _files(self, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
        found = {}
        for name, fact in facts.items():
            key = keys.file_key(self.pipeline, fact["sha256"], name)
            data = self.store.get(key)
            if data is None:
                raise FileCorruptError(key, "the file is gone, and a baseline rests on it")
            if _sha256(data) != fact["sha256"]:
                raise FileCorruptError(key, "has changed: its SHA-256 is not that of the baseline's document")
            found[name] = data
        return found

    def _numbers(self, subject: str) -> tuple[int, ...]:
        found = []
        for key in self.store.list(keys.baselines_prefix(self.pipeline, subject)):
            number = keys.number_of(key)
            if number is None:
                raise FileCorruptError(key, "is not the document of a baseline")
            found.append(number)
        found.sort()
        for number, there in enumerate(found, 1):
            if there != number:
                key = keys.baseline_key(self.pipeline, subject, number)
                raise FileCorruptError(key, f"is gone, and number {there} is there: restore it")
        return tuple(found)

    def _keep_file(self, sha256: str, name: str, data: bytes) -> None:
        key = keys.file_key(self.pipeline, sha256, name)
        there = self._create(key, data)
        if there is None:
            raise StoreUnavailableError(self.store.url, "write", f"{key} is not there after {ATTEMPTS} attempts")
        if there != data:
            raise FileCorruptError(key, "other bytes stand where these belong; remove it and make the baseline again")

    def _create(self, key: str, data: bytes) -> bytes | None:
        """Create an object where none is, and return what is there then; None where the store would not tell.

        A lost reply says nothing: it is read what is there.
        """
        for attempt in range(ATTEMPTS):
            try:
                if self.store.put_if_absent(key, data):
                    return data
                there = self.store.get(key)
            except StoreUnavailableError:
                there = None
            if there is not None:
                return there
            self._clock.sleep(backoff(attempt, self._rng))
        return None


def _checked(said: Mapping[str, Any], subject: str, number: int) -> Mapping[str, Any]:
    if said["format"] != FORMAT:
        raise ValueError(f"is of format {said['format']!r}, and this version reads {FORMAT}")
    if (said["subject"], said["number"]) != (subject, number):
        raise ValueError(f"says that it is number {said['number']} of {said['subject']}")
    if said["digest"] != _digest(said["files"], said["model"]):
        raise ValueError("its digest is not that of the files it names")
    return said


def _same(newest: WatchedBaseline, digest: str, contract: ContractRef | None) -> bool:
    """Say whether it is the same baseline; of another contract's rows it is another, though the counts are equal."""
    return newest.digest == digest and newest.contract == contract


def _digest(facts: Mapping[str, Mapping[str, Any]], model: str | None) -> str:
    lines = [str(fact["sha256"]) for _, fact in sorted(facts.items())]
    return _sha256("\n".join([*lines, model or ""]).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except (TypeError, ValueError):
        return False
