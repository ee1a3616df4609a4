"""Models as they are kept: versions that never change, and aliases that move, in the object store alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock, WallClock, backoff
from ray_pipeline.errors import (
    AliasConflictError,
    CommitUnknownError,
    FileCorruptError,
    ModelFileError,
    NoModelError,
    StoreUnavailableError,
    UsageError,
)
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.model.manifest import FileFact, ModelManifest
from ray_pipeline.runtime.models import keys
from ray_pipeline.runtime.models.aliases import Alias, AliasMove, MoveKind, after, made_by

if TYPE_CHECKING:
    from ray_pipeline.lake.ports import ObjectStore

ATTEMPTS = 8
"""How often a write is tried before its outcome is called unknown."""
LATEST = "latest"
SEAL = "sha256"
"""Of a manifest and of a move, without this key: a changed byte is not believed."""


@dataclass(frozen=True, slots=True)
class _Log:
    """The moves that were read so far. Nobody changes one, so threads may share it."""

    moves: tuple[AliasMove, ...] = ()
    state: Mapping[str, int] = field(default_factory=dict)


class ModelRegistry:
    """The models of a pipeline.

    What was read of a model's moves is kept: they are only ever added to. Each look asks for what came since, which is
    one read where nothing did.
    """

    def __init__(
        self, store: ObjectStore, pipeline: str, *, clock: Clock | None = None, rng: Random | None = None
    ) -> None:
        self.store, self.pipeline = store, pipeline
        self._clock: Clock = clock or WallClock()
        self._rng = rng or SystemRandom()
        self._logs: dict[str, _Log] = {}

    def __repr__(self) -> str:
        return f"<ModelRegistry {self.store.url}/{keys.models_prefix(self.pipeline)}>"

    def _repr_html_(self) -> str:
        from ray_pipeline.runtime.models.listing import list_html, list_models

        return list_html(list_models(self))

    def names(self) -> tuple[str, ...]:
        """Return every model that has a version."""
        found = (keys.model_of(self.pipeline, key) for key in self.store.list(keys.models_prefix(self.pipeline)))
        return tuple(sorted({name for name in found if name is not None}))

    def versions(self, name: str) -> tuple[int, ...]:
        """Return the numbers of a model's versions, ascending; none where there is no such model."""
        return self._numbers(name, keys.VERSIONS, "is not the manifest of a version")

    def manifest(self, name: str, number: int) -> ModelManifest:
        """Return one version; ``NoModelError`` where there is none of this number."""
        key = self._key(name, keys.VERSIONS, number)
        data = self.store.get(key)
        if data is None:
            raise NoModelError(name, self._no_version(name, number))
        return _manifest(key, data, name, number)

    def find(self, name: str, which: str | int = Alias.CHAMPION) -> int:
        """Return the number that ``champion``, ``challenger``, ``latest`` or a number means."""
        said = str(which)
        if said in tuple(Alias):
            number = self.aliases(name).get(said)
            if number is None:
                raise NoModelError(name, self._no_holder(name, said))
            return number
        if said != LATEST and not (said.isascii() and said.isdecimal()):
            raise NoModelError(name, f"{said!r} is no version: give a number, champion, challenger or latest")
        versions = self.versions(name)
        if said == LATEST and versions:
            return versions[-1]
        if said == LATEST or int(said) not in versions:
            raise NoModelError(name, self._no_version(name, None if said == LATEST else int(said)))
        return int(said)

    def resolve(self, name: str, which: str | int = Alias.CHAMPION) -> ModelManifest:
        """Return the version that an alias, ``latest`` or a number means; ``NoModelError`` where it means none."""
        return self.manifest(name, self.find(name, which))

    def add(self, manifest: ModelManifest, files: Mapping[str, bytes]) -> tuple[ModelManifest, bool]:
        """Keep a version with its files and give it the next number; return it, and whether it is new.

        A training that came to the same before is that version again: the same rows, specification, definitions of
        views and predictions. One whose files are damaged is not found again, so training once more repairs it.
        Whoever is killed in here leaves files that no version names.
        """
        name = manifest.name
        facts = {file: FileFact(hashlib.sha256(data).hexdigest(), len(data)) for file, data in files.items()}
        if manifest.files and dict(manifest.files) != facts:
            raise ModelFileError(name, ", ".join(sorted(manifest.files)), "the manifest names other bytes than these")
        manifest = replace(manifest, number=0, files=facts)
        # An alias is looked at as well: what was removed by hand must not lend its number to another version. And it is
        # looked at first: a version that got one since the list would begin the numbering behind some never compared.
        held = self.aliases(name).values()
        known = self.versions(name)
        for number in reversed(known):
            found = self.manifest(name, number)
            if _training(found) == _training(manifest) and self._is_whole(found):
                return found, False
        for file, data in files.items():
            self._keep_file(manifest, file, data)
        number = max((*known, *held), default=0)
        while True:
            number += 1
            numbered = replace(manifest, number=number)
            key, data = self._key(name, keys.VERSIONS, number), _encoded(numbered.to_json())
            there = self._create(key, data)
            if there is None:
                raise CommitUnknownError(self._folder(name, keys.VERSIONS), number)
            if there == data:
                return numbered, True
            found = _manifest(key, there, name, number)
            if _training(found) == _training(manifest) and self._is_whole(found):
                return found, False

    def file(self, manifest: ModelManifest, file: str) -> bytes:
        """Return a file of a version, checked by its SHA-256; ``ModelFileError`` where it is not that one."""
        fact = manifest.files.get(file)
        if fact is None:
            raise ModelFileError(manifest.shown, file, f"it has none; its files are {', '.join(manifest.files)}")
        key = keys.file_key(self.pipeline, manifest.name, fact.sha256, file)
        data = self.store.get(key)
        if data is None:
            raise ModelFileError(manifest.shown, file, f"{key} is gone")
        if hashlib.sha256(data).hexdigest() != fact.sha256:
            raise ModelFileError(manifest.shown, file, f"{key} has changed: its SHA-256 is not the manifest's")
        return data

    def file_uri(self, manifest: ModelManifest, file: str) -> str:
        """Return where a file of a version is, for whoever opens it by itself: a path, or ``s3://…``."""
        return self.store.uri(keys.file_key(self.pipeline, manifest.name, manifest.files[file].sha256, file))

    def aliases(self, name: str) -> dict[str, int]:
        """Return who holds which alias now."""
        return dict(self._log(name).state)

    def history(self, name: str) -> tuple[AliasMove, ...]:
        """Return every move of the model's aliases, oldest first."""
        return self._log(name).moves

    def revision(self, name: str) -> int:
        """Return the number of the newest move, 0 before the first: it changes when an alias does."""
        return len(self._log(name).moves)

    def move(
        self,
        name: str,
        alias: str,
        version: int | None,
        *,
        expected: int | None,
        who: str,
        reason: str,
        kind: str,
        evidence: Mapping[str, Any] | None = None,
        expected_move: int | None = None,
    ) -> AliasMove:
        """Move an alias from the version ``expected`` to ``version`` (None: nobody), or raise ``AliasConflictError``.

        Where it is there already nothing is written, and the move that brought it there is returned. With
        ``expected_move``, the alias must be where that move brought it: one that went away and came back is a conflict.
        """
        alias, kind = _one_of(Alias, alias), _one_of(MoveKind, kind)
        if version is not None:
            self.manifest(name, version)
        nonce = f"{self._rng.getrandbits(64):016x}"
        while True:
            log = self._log(name)
            present, newest = log.state.get(alias), made_by(log.moves, alias)
            if present != expected:
                raise AliasConflictError(name, alias, expected, present)
            if newest is not None and version == present:
                return newest
            if expected_move is not None and (newest is None or newest.number != expected_move):
                raise AliasConflictError(name, alias, expected, present)
            number = len(log.moves) + 1
            at = timestamp_text(self._clock.now())
            move = AliasMove(number, alias, version, present, kind, who, at, reason, evidence, nonce)
            data = _encoded(move.to_json())
            there = self._create(self._key(name, keys.ALIASES, number), data)
            if there is None:
                raise CommitUnknownError(self._folder(name, keys.ALIASES), number)
            if there == data:  # the nonce is in it, so it is ours
                return move
            # Somebody moved this alias or another one meanwhile: the next look says which.

    def _log(self, name: str) -> _Log:
        log = self._logs.get(name)
        known = 0
        if log is None:
            log = _Log()
            known = max(self._numbers(name, keys.ALIASES, "is no move of an alias"), default=0)
        while True:
            number = len(log.moves) + 1
            key = self._key(name, keys.ALIASES, number)
            data = self.store.get(key)
            if data is None and number <= known:
                raise FileCorruptError(key, "is gone, and later moves rest on it")
            if data is None:
                break
            try:
                move = AliasMove.from_json(_opened(data or b"", "is no move of an alias"))
                log = _Log((*log.moves, move), after(log.state, move, number))
            except ValueError as error:
                raise FileCorruptError(key, str(error)) from None
        self._logs[name] = log
        return log

    def _numbers(self, name: str, part: str, otherwise: str) -> tuple[int, ...]:
        found = []
        prefix = self._folder(name, part)
        for key in self.store.list(prefix):
            number = keys.number_of(key)
            if number is None or key.count("/") != prefix.count("/") + 1:
                raise FileCorruptError(key, otherwise)
            found.append(number)
        return tuple(sorted(found))

    def _is_whole(self, manifest: ModelManifest) -> bool:
        try:
            return all(self.file(manifest, file) is not None for file in manifest.files)
        except ModelFileError:
            return False

    def _keep_file(self, manifest: ModelManifest, file: str, data: bytes) -> None:
        key = keys.file_key(self.pipeline, manifest.name, manifest.files[file].sha256, file)
        there = self._create(key, data)
        if there is None:
            raise StoreUnavailableError(self.store.url, "write", f"{key} is not there after {ATTEMPTS} attempts")
        if there != data:
            raise FileCorruptError(key, "other bytes stand where these belong; remove it and train once more")

    def _create(self, key: str, data: bytes) -> bytes | None:
        """Create an object where none is, and return what is there then; None where the store would not tell.

        A lost reply says nothing: it is read what is there, and bytes with our nonce are ours.
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

    def _key(self, name: str, part: str, number: int) -> str:
        self._folder(name, part)
        return keys.numbered_key(self.pipeline, name, part, number)

    def _folder(self, name: str, part: str) -> str:
        try:
            return keys.folder(self.pipeline, name, part)
        except ValueError as error:
            raise UsageError(f"{name[:40]!r}… cannot be a model: {error}") from None

    def _no_version(self, name: str, number: int | None) -> str:
        versions = self.versions(name)
        if versions:
            return f"there is no version {number}; its versions are {', '.join(map(str, versions[-10:]))}"
        others = self.names()
        known = f"; there are {', '.join(others)}" if others else ""
        return f"there is no such model{known}; `ray-pipeline train SPEC` makes one"

    def _no_holder(self, name: str, alias: str) -> str:
        if not self.versions(name):
            return self._no_version(name, None)
        advice = f"; `ray-pipeline model promote {name}` makes one" if alias == Alias.CHAMPION else ""
        return f"no version is {alias}{advice}"


def _training(manifest: ModelManifest) -> tuple[str, ...]:
    """What makes two trainings one version. Definitions are in it: a version of older ones cannot answer any more."""
    views = [[one.name, one.view, one.definition] for one in manifest.views]
    said = json.dumps([manifest.spec, views, manifest.request_definition], sort_keys=True, default=str)
    return str(manifest.training.get("content_hash")), said, manifest.predictions_sha256


def _manifest(key: str, data: bytes, name: str, number: int) -> ModelManifest:
    try:
        found = ModelManifest.from_json(_opened(data, "is not the manifest of a version"))
    except ValueError as error:
        raise FileCorruptError(key, str(error)) from None
    if (found.name, found.number) != (name, number):
        raise FileCorruptError(key, f"says that it is {found.shown}")
    return found


def _encoded(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is stored: with the SHA-256 of all the rest of it at its end."""
    return _json({**document, SEAL: hashlib.sha256(_json(document)).hexdigest()})


def _opened(data: bytes, otherwise: str) -> Mapping[str, Any]:
    """Return what :func:`_encoded` was given; ``ValueError`` where that is not what these bytes hold."""
    try:
        found: dict[str, Any] = json.loads(data)
        seal = found.pop(SEAL)
        now = hashlib.sha256(_json(found)).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(otherwise) from None
    if now != seal:
        raise ValueError("has changed: its SHA-256 is not the one that it ends with")
    return found


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def _one_of(words: type[Alias] | type[MoveKind], said: str) -> str:
    if said not in tuple(words):
        raise UsageError(f"{said!r} is none of {', '.join(words)}")
    return str(said)
