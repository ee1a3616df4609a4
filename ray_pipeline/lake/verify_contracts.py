"""The contracts that entries name, from their texts in the store, made ready to judge landed rows again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.shape import ListOf, Record, RootShape, Shape, Timestamp
from ray_pipeline.errors import ContractError
from ray_pipeline.lake.keys import contract_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.types import ContractRef

_KINDS = ("odcs", "json-schema")
_LOWER_BOUNDS = ("x-minimum", "x-exclusiveMinimum")


@dataclass(frozen=True, slots=True)
class Shelved:
    """What the store has under one digest: a contract, or why there is none."""

    key: str
    contract: DataContract | None = None
    rows: DataContract | None = None
    """The same contract without what Parquet does not keep, for records that were rebuilt from rows."""
    unjudged: tuple[str, ...] = ()
    """What was left out of ``rows``: ``/departed: pattern``."""
    edited: bool = False
    """The text is not the one that the digest names."""
    reason: str = ""


class ContractShelf:
    """Reads each text once; every entry of a pipeline names one of a few."""

    def __init__(self, store: ObjectStore, pipeline: str, object_names: Mapping[str, str | None]) -> None:
        self._store, self._pipeline, self._object_names = store, pipeline, object_names
        self._known: dict[tuple[str, str], Shelved] = {}

    def get(self, ref: ContractRef, topic: str) -> Shelved:
        """Return the contract under which an entry of this topic was written."""
        known = self._known.get((ref.digest, topic))
        if known is None:
            known = self._known[ref.digest, topic] = self._read(ref, topic)
        return known

    def limits(self) -> list[str]:
        """Return what the contracts demand and rows cannot show, for the report."""
        left_out = sorted({what for shelved in self._known.values() for what in shelved.unjudged})
        return [f"not judged, since Parquet does not keep it: {what}" for what in left_out]

    def _read(self, ref: ContractRef, topic: str) -> Shelved:
        for kind in _KINDS:
            key = contract_key(self._pipeline, ref.digest, kind)
            data = self._store.get(key)
            if data is not None:
                return self._parse(key, data, ref, topic)
        key = contract_key(self._pipeline, ref.digest, _KINDS[0])
        return Shelved(key, reason=f"the text of contract {ref.id} {ref.version} is not in the store")

    def _parse(self, key: str, data: bytes, ref: ContractRef, topic: str) -> Shelved:
        if hashlib.sha256(data).hexdigest() != ref.digest:
            return Shelved(key, edited=True, reason="is not the text that the digest in its name says")
        try:
            contract = parse_contract(data.decode(), key, object_name=self._object_names.get(topic))
        except (ContractError, ValueError) as error:
            return Shelved(key, reason=f"cannot be compiled here: {error}")
        unjudged: list[str] = []
        if contract.kind != "odcs":
            return Shelved(key, contract, contract)
        schema = _kept(contract.json_schema, contract.shape, contract, "", unjudged)
        # A rebuilt record may be longer than it came: 1e20 is written out, a time gets its seconds' fraction.
        limits = replace(contract.limits, max_bytes=contract.limits.max_bytes * 4)
        return Shelved(key, contract, replace(contract, json_schema=schema, limits=limits), tuple(unjudged))


def _kept(schema: Any, shape: RootShape | Shape, contract: DataContract, path: str, unjudged: list[str]) -> Any:
    """Return an ODCS schema without the demands on what a landed row no longer shows."""
    if not isinstance(schema, dict):
        return schema
    kept = dict(schema)
    match shape:
        case Timestamp():
            # An instant has many spellings, and the row holds the instant.
            lost = ["pattern", "enum"] + (list(_LOWER_BOUNDS) if contract.sub_microseconds == "truncate" else [])
            _drop(kept, lost, path, unjudged)
        case ListOf(items=items):
            if not _shows_all(items):
                _drop(kept, ["uniqueItems"], path, unjudged)
            if "items" in kept:
                kept["items"] = _kept(kept["items"], items, contract, f"{path}/items", unjudged)
        case Record(fields=fields):
            members = dict(kept.get("properties", {}))
            for field in fields:
                if field.name in members:
                    inner = members[field.name]
                    members[field.name] = _kept(inner, field.shape, contract, f"{path}/{field.name}", unjudged)
            kept["properties"] = members
        case _:
            pass
    return kept


def _drop(schema: dict[str, Any], keywords: list[str], path: str, unjudged: list[str]) -> None:
    dropped = [keyword for keyword in keywords if schema.pop(keyword, None) is not None]
    unjudged.extend(f"{path}: {keyword.removeprefix('x-')}" for keyword in dropped)


def _shows_all(shape: Shape) -> bool:
    """Say whether two unequal values of this shape are unequal as landed."""
    match shape:
        case Timestamp() | Record():
            return False
        case ListOf(items=items):
            return _shows_all(items)
        case _:
            return True
