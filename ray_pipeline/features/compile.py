"""A view as written, against the contract of its events: types, columns, and the hash that names the definition."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.errors import FeatureDefinitionError, Problem
from ray_pipeline.features.aggregates import LARGEST_CAP, Aggregate, Kind
from ray_pipeline.features.definition import CompiledView, ViewDefinition
from ray_pipeline.features.dtypes import INT, STRING, aggregated_type, stored_type, value_type, why_not
from ray_pipeline.features.hops import MINUTE, hop_of
from ray_pipeline.features.lines import line_of
from ray_pipeline.features.resolve import Columns, Resolved
from ray_pipeline.features.rowwise import tree
from ray_pipeline.features.shape import FeatureShape, Feed, KeyShape, ValueType, ViewShape

FORMAT = 1
"""Of the text that is hashed: counted up where the same text begins to mean something else."""
RESERVED = ("event_timestamp", "created_timestamp")
LONGEST_WINDOW = timedelta(days=366)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MERGEABLE = "count, sum_, mean, min_, max_, share, last, count_distinct"


def compile_view(definition: ViewDefinition, contract: DataContract) -> CompiledView:
    """Return the view with its types; raise ``FeatureDefinitionError`` with everything that is wrong with it."""
    compiling = _Compiling(definition, contract)
    compiled = compiling.view()
    if compiled is None:
        raise FeatureDefinitionError(tuple(compiling.problems))
    return compiled


class _Compiling:
    """One pass over one definition: problems gather until the end."""

    def __init__(self, definition: ViewDefinition, contract: DataContract) -> None:
        self.problems: list[Problem] = []
        self._definition = definition
        self._contract = contract
        self._columns = Columns(contract.landing_schema)

    def view(self) -> CompiledView | None:
        one = self._definition
        self._names()
        self._times()
        keys = [self._key(name, one.keys[name]) for name in sorted(one.keys)]
        features = [self._feature(name, written) for name, written in one.features.items()]
        where = self._where()
        self._event_time()
        if self.problems:
            return None
        return self._assembled([key for key in keys if key], [feature for feature in features if feature], where)

    def _assembled(
        self,
        keys: list[tuple[KeyShape, Resolved]],
        features: list[tuple[FeatureShape, Resolved | None]],
        where: Resolved | None,
    ) -> CompiledView:
        one, event_time = self._definition, self._contract.event_time
        assert event_time is not None
        window = None if one.window is None else _micros(one.window)
        lateness = _micros(_lateness(self._contract))
        resolved = [
            *(found for _, found in keys),
            *(found for _, found in features if found),
            *([where] if where else []),
        ]
        read = {name for found in resolved for name in found.columns}
        schema = self._contract.landing_schema
        columns = tuple(name for name in schema.names if name in read)
        shape = ViewShape(
            name=one.name,
            definition="",
            dataset=one.dataset,
            keys=tuple(key for key, _ in keys),
            features=tuple(feature for feature, _ in features),
            window=window,
            hop=1 if window is None else hop_of(window),
            ttl=None if one.ttl is None else _micros(one.ttl),
            lateness=lateness,
            feed=Feed(one.feed),
        )
        text = _canonical(shape, event_time, [found for _, found in keys], [found for _, found in features], where)
        return CompiledView(
            shape=replace(shape, definition=hashlib.sha256(text.encode()).hexdigest()),
            keys=tuple(found.expression for _, found in keys),
            values=tuple(None if found is None else found.expression for _, found in features),
            where=None if where is None else where.expression,
            event_time=event_time,
            columns=columns,
            schema=pa.schema([schema.field(name) for name in columns]),
        )

    def _names(self) -> None:
        one = self._definition
        if not NAME.fullmatch(one.name):
            self._add(("name",), f"{one.name!r}: must be letters, digits and _, beginning with a letter")
        if not one.keys:
            self._add(("keys",), "a view needs the keys of its entity: keys={join key: column}")
        if not one.features:
            self._add(("features",), "a view needs at least one feature")
        for part, names in (("keys", one.keys), ("features", one.features)):
            for name in names:
                if name in RESERVED or name.startswith("_"):
                    self._add((part, name), "is a name that the offline table itself uses; choose another")
                elif not NAME.fullmatch(name):
                    self._add((part, name), "must be letters, digits and _, beginning with a letter")
        for name in one.features:
            if name in one.keys:
                self._add(("features", name), "is the name of a join key too; choose another")

    def _times(self) -> None:
        one = self._definition
        written: dict[str, object] = {"window": one.window, "ttl": one.ttl}
        for part, value in written.items():
            if not isinstance(value, timedelta | None):
                self._add((part,), "must be a timedelta, such as timedelta(hours=2)")
                return
        if one.window is not None:
            self._window(one.window)
        if one.feed not in tuple(Feed):
            self._add(("feed",), "must be stream or materialized")
        if one.ttl is None:
            if one.window is None and one.feed == Feed.STREAM:
                what = "a stream-fed view of the newest event needs one, for its state must be bounded"
                self._add(("ttl",), f"{what}; write ttl=timedelta(…)")
        elif one.ttl <= timedelta(0):
            self._add(("ttl",), "must be longer than nothing; leave it out for values that never age")
        elif one.window is not None and one.ttl <= one.window:
            what = f"must be longer than the window ({one.window}), or left out"
            self._add(("ttl",), f"{what}: an empty window says 0 by itself")

    def _window(self, window: timedelta) -> None:
        if window <= timedelta(0):
            self._add(("window",), "must be longer than nothing")
        elif _micros(window) % MINUTE:
            self._add(("window",), "must be whole minutes")
        elif window > LONGEST_WINDOW:
            self._add(("window",), f"must be at most {LONGEST_WINDOW.days} days")

    def _event_time(self) -> None:
        name = self._contract.event_time
        if name is None:
            what = "names no event time; write customProperties: [{property: eventTime, value: …}] in it"
            self._add(("dataset",), f"the contract {self._contract.id} {what}")
        elif not pa.types.is_timestamp(self._contract.landing_schema.field(name).type):
            what = f"the event time {name} of the contract {self._contract.id} is a date; features need the moment"
            self._add(("dataset",), what)

    def _key(self, name: str, written: object) -> tuple[KeyShape, Resolved] | None:
        found = self._resolved(("keys", name), written)
        if found is None:
            return None
        kind = value_type(found.dtype)
        if kind not in (INT, STRING):
            what = why_not(found.dtype) if kind is None else kind
            self._add(("keys", name), f"a key is a whole number or text; this is {what}")
            return None
        return KeyShape(name, stored_type(kind)), found

    def _feature(self, name: str, written: object) -> tuple[FeatureShape, Resolved | None] | None:
        at = ("features", name)
        if not isinstance(written, Aggregate):
            if self._definition.window is not None:
                what = f"an expression of one event; in a window a feature is one of {_MERGEABLE}"
                self._add(at, f"cannot be merged: {what}")
                return None
            return self._newest(at, name, written)
        if self._definition.window is None:
            what = "without a window a feature is a value of the newest event: an expression, or the path of a column"
            self._add(at, f"{written.kind} needs a window; {what}")
            return None
        return self._aggregate(at, name, written)

    def _newest(self, at: tuple[str, str], name: str, written: object) -> tuple[FeatureShape, Resolved] | None:
        found = self._resolved(at, written)
        kind = self._storable(at, found)
        return (FeatureShape(name, stored_type(kind), None, kind), found) if found and kind else None

    def _aggregate(
        self, at: tuple[str, str], name: str, written: Aggregate
    ) -> tuple[FeatureShape, Resolved | None] | None:
        if written.kind is Kind.COUNT_DISTINCT and not _cap(written.cap):
            self._add(at, f"cap must be a whole number from 1 to {LARGEST_CAP}")
        if written.over is None and written.kind is Kind.COUNT:
            return FeatureShape(name, ValueType.INT64, Kind.COUNT), None
        found = self._resolved(at, written.over)
        kind = self._storable(at, found)
        if found is None or kind is None:
            return None
        made = aggregated_type(written.kind, kind)
        if not isinstance(made, ValueType):
            self._add(at, made)
            return None
        return FeatureShape(name, made, written.kind, kind, written.cap), found

    def _storable(self, at: tuple[str, ...], found: Resolved | None) -> str | None:
        kind = None if found is None else value_type(found.dtype)
        if found is not None and kind is None:
            self._add(at, f"no store can hold {why_not(found.dtype)}")
        return kind

    def _where(self) -> Resolved | None:
        if self._definition.where is None:
            return None
        found = self._resolved(("where",), self._definition.where)
        if found is not None and not isinstance(found.dtype, pl.Boolean):
            self._add(("where",), f"must be a condition, this is {found.dtype}")
        return found

    def _resolved(self, at: tuple[str, ...], written: object) -> Resolved | None:
        found = self._columns.resolve(written)
        if isinstance(found, str):
            self._add(at, found)
            return None
        return found

    def _add(self, at: tuple[str, ...], message: str) -> None:
        one = self._definition
        self.problems.append(Problem(one.file, line_of(one.file, one.line, at), ".".join((one.name, *at)), message))


def _canonical(
    shape: ViewShape,
    event_time: str,
    keys: list[Resolved],
    values: list[Resolved | None],
    where: Resolved | None,
) -> str:
    """The text that is hashed: what decides a value, and nothing that does not."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "name": shape.name,
        "dataset": shape.dataset,
        "event_time": event_time,
        "lateness": shape.lateness,
        "window": shape.window,
        "hop": shape.hop,
        "ttl": shape.ttl,
        "where": None if where is None else tree(where.expression),
        "keys": [
            {"name": key.name, "type": key.type, "at": tree(found.expression)}
            for key, found in zip(shape.keys, keys, strict=True)
        ],
        "features": [
            {
                "name": feature.name,
                "type": feature.type,
                "kind": feature.kind,
                "value": feature.value_type,
                "cap": feature.cap,
                "over": None if found is None else tree(found.expression),
            }
            for feature, found in zip(shape.features, values, strict=True)
        ],
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=32)
def _lateness(contract: DataContract) -> timedelta:
    """Kept, because many views read the same contract."""
    return read_expectations(contract).lateness


def _micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _cap(cap: object) -> bool:
    return isinstance(cap, int) and not isinstance(cap, bool) and 1 <= cap <= LARGEST_CAP
