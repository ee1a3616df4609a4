"""What a training set is to hold, as a person writes it: one YAML file.

::

    name: late_arrival
    labels: late_arrival                 # a label set of the feature repository
    service: flight_delay                # a feature service of it
    from: 2013-02-04T00:00:00Z           # moments asked: the first that counts in
    to: 2013-02-18T00:00:00Z             # … and the first that does not
    splits:                              # in time; each ends where the next begins, the last one at ``to``
      train: 2013-02-13T00:00:00Z
      validation: 2013-02-15T12:00:00Z
      test: 2013-02-18T00:00:00Z
    labels_by: 2013-02-20T00:00:00Z      # only outcomes published by then; left out: all that the snapshot has
    snapshots:                           # left out: the newest, and the manifest says which
      curated: {departures: 5190870236403012551}
      features: {origin_last_2h: 2337640153391374208}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ray_pipeline.config.nearest import unknown
from ray_pipeline.config.yaml_lines import MAX_BYTES, Document, KeyPath, dotted, parse
from ray_pipeline.errors import ConfigError, Problem

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXAMPLE = "as in 2013-02-04T00:00:00Z"
_KEYS = ("name", "labels", "service", "from", "to", "splits", "labels_by", "snapshots")
_REQUIRED = {
    "name": "is required: a word for the folder that the training sets lie in",
    "labels": "is required: a label set of the feature repository",
    "service": "is required: a feature service of the feature repository",
    "from": f"is required: the first moment asked, {_EXAMPLE}",
    "to": f"is required: the first moment that is not asked any more, {_EXAMPLE}",
}


@dataclass(frozen=True, slots=True)
class Split:
    """Rows asked at ``start_us <= t < end_us``."""

    name: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """One training set as asked for. Splits follow one another and fill the range; without any it is one, ``all``."""

    name: str
    labels: str
    service: str
    start_us: int
    end_us: int
    splits: tuple[Split, ...]
    labels_by_us: int | None = None
    curated: Mapping[str, int] = field(default_factory=dict)
    """Dataset → snapshot of its curated table."""
    features: Mapping[str, int] = field(default_factory=dict)
    """View → snapshot of its offline table."""

    def to_json(self) -> dict[str, Any]:
        """Return the spec as :func:`spec_of` reads it."""
        found: dict[str, Any] = {"name": self.name, "labels": self.labels, "service": self.service}
        found |= {"from": moment_text(self.start_us), "to": moment_text(self.end_us)}
        found["splits"] = {split.name: moment_text(split.end_us) for split in self.splits}
        if self.labels_by_us is not None:
            found["labels_by"] = moment_text(self.labels_by_us)
        found["snapshots"] = {
            "curated": dict(sorted(self.curated.items())),
            "features": dict(sorted(self.features.items())),
        }
        return found


def read_spec(path: Path | str) -> TrainingSpec:
    """Read a spec, or raise ``ConfigError`` with everything that is wrong in it."""
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError((Problem(str(file), None, "", f"larger than {MAX_BYTES} bytes"),))
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError((Problem(str(file), None, "", "there is no such file"),)) from None
    except UnicodeDecodeError:
        raise ConfigError((Problem(str(file), None, "", "is not UTF-8 text"),)) from None
    except OSError as error:
        raise ConfigError((Problem(str(file), None, "", f"cannot be read: {error.strerror}"),)) from None
    return _Reading(parse(text, str(file)), str(file)).spec()


def spec_of(tree: object, file: str) -> TrainingSpec:
    """Read a spec from values, as a manifest has them."""
    return _Reading(Document(tree), file).spec()


def moment_us(text: object) -> int:
    """Return a moment in microseconds; raise ``ValueError`` with what is wrong where it is none, or has no zone.

    >>> moment_us("1970-01-01T01:00:00.000001+01:00")
    1
    """
    try:
        found = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError(f"must be a moment, {_EXAMPLE}") from None
    if found.tzinfo is None:
        raise ValueError(f"has no time zone: write Z or an offset, {_EXAMPLE}")
    return (found - _EPOCH) // _MICROSECOND


def moment_text(us: int) -> str:
    """Return a moment as :func:`moment_us` reads it.

    >>> moment_text(1_500_000), moment_text(0)
    ('1970-01-01T00:00:01.500000Z', '1970-01-01T00:00:00Z')
    """
    return (_EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


class _Reading:
    """One pass over one file: problems gather until the end."""

    def __init__(self, document: Document, file: str) -> None:
        self._document, self._file = document, file
        self._problems = list(document.problems)
        self._tree: dict[str, Any] = document.value if isinstance(document.value, dict) else {}

    def spec(self) -> TrainingSpec:
        if not isinstance(self._document.value, dict) and not self._problems:
            self._find((), f"must hold keys and values: {', '.join(_KEYS[:5])}, …")
        elif isinstance(self._document.value, dict):
            self._names()
        words = {key: self._word(key) for key in ("name", "labels", "service")}
        start, end = self._moment(("from",)), self._moment(("to",))
        if start is not None and end is not None and end <= start:
            self._find(("to",), "must be after from")
        splits = tuple(self._splits(start, end))
        by = self._moment(("labels_by",)) if self._tree.get("labels_by") is not None else None
        curated, features = self._snapshots()
        if self._problems:
            raise ConfigError(tuple(sorted(self._problems, key=lambda problem: problem.line or 0)))
        return TrainingSpec(**words, start_us=start or 0, end_us=end or 0, splits=splits, labels_by_us=by,
                            curated=curated, features=features)  # fmt: skip

    def _names(self) -> None:
        for key in self._tree:
            if key not in _KEYS:
                self._find((key,), unknown(key, _KEYS))
        for key, what in _REQUIRED.items():
            if self._tree.get(key) is None:
                self._find((key,), what)

    def _word(self, key: str) -> str:
        value = self._tree.get(key)
        if value is not None and not (isinstance(value, str) and _NAME.fullmatch(value)):
            self._find((key,), "must be a word of letters, digits, '.', '_' and '-' that begins with one of the first")
        return str(value)

    def _moment(self, path: KeyPath) -> int | None:
        value: Any = self._tree
        for step in path:
            value = value.get(step)
        if value is None:
            return None
        try:
            return moment_us(value)
        except ValueError as error:
            self._find(path, str(error))
        return None

    def _splits(self, start: int | None, end: int | None) -> Iterator[Split]:
        found = self._mapping(("splits",))
        if not found and start is not None and end is not None:
            yield Split("all", start, end)
        begins, last = start, None
        for name in found:
            path = ("splits", name)
            if not _NAME.fullmatch(name):
                self._find(path, "must be a word of letters, digits, '.', '_' and '-'")
            ends = self._moment(path)
            if ends is None:
                if found[name] is None:
                    self._find(path, f"needs the moment at which it ends, {_EXAMPLE}")
                return
            if begins is not None and ends <= begins:
                self._find(path, f"must end after {moment_text(begins)}, where it begins")
            if begins is not None:
                yield Split(name, begins, ends)
            begins, last = ends, path
        if last is not None and end is not None and begins != end:
            self._find(last, f"the last split must end where the range does, at {moment_text(end)}")

    def _snapshots(self) -> tuple[dict[str, int], dict[str, int]]:
        for key in self._mapping(("snapshots",)):
            if key not in ("curated", "features"):
                self._find(("snapshots", key), unknown(key, ("curated", "features")))
        return self._ids("curated"), self._ids("features")

    def _ids(self, kind: str) -> dict[str, int]:
        found = self._mapping(("snapshots", kind))
        for name, value in found.items():
            if not isinstance(value, int) or isinstance(value, bool):
                self._find(("snapshots", kind, name), "must be the id of a snapshot, a whole number")
        return found

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        value: Any = self._tree
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None and not isinstance(value, dict):
            self._find(path, "must be a mapping of keys to values")
        return value if isinstance(value, dict) else {}

    def _find(self, path: KeyPath, what: str) -> None:
        problem = Problem(self._file, self._document.line(path), dotted(path), what)
        if problem not in self._problems:
            self._problems.append(problem)
