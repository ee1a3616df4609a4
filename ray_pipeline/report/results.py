"""``run_results.json``: a gate's report as JSON, nothing left out, the same bytes for the same report.

Field names are those of :mod:`ray_pipeline.sla.result` and only ever grow within a schema version; a reader passes
over what it does not know. ``outcome``, ``exit_code``, ``summary`` and ``totals`` are derived, for ``jq`` and for
people: reading them back changes nothing. The shape is written down in ``run_results.schema.json`` beside this file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ray_pipeline.sla.result import GateReport

from .sentences import summary
from .tally import Totals, totals_of

SCHEMA = "ray-pipeline.run-results"
SCHEMA_VERSION = 1
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")
"""Floats that JSON has no number for, as strings."""


def to_results(report: GateReport) -> dict[str, Any]:
    """Return the report as what ``json.dumps`` takes, keys in the order of the fields."""
    found = _encode(report, GateReport)
    head = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "outcome": report.outcome.name.lower(),
        "exit_code": int(report.outcome),
        "summary": summary(report),
        "totals": _totals(totals_of(report)),
    }
    return head | {name: value for name, value in found.items() if name not in head}


def to_bytes(report: GateReport) -> bytes:
    """Return the report as the bytes of ``run_results.json``: ASCII, one line, a line end."""
    return json.dumps(to_results(report), allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def from_results(document: Mapping[str, Any]) -> GateReport:
    """Return the report that :func:`to_results` was given; raise ``ValueError`` where the document is no such thing."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise ValueError(f'not the results of a gate: no "schema": "{SCHEMA}"')
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema version {version!r} of the results: this reads {SCHEMA_VERSION}")
    report = _decode(document, GateReport, "")
    assert isinstance(report, GateReport)
    return report


def from_bytes(data: bytes) -> GateReport:
    """Return the report in the bytes of a ``run_results.json``; raise ``ValueError`` where they are none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError("not the results of a gate: no JSON") from error
    return from_results(document)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``run_results.json``."""
    text = files("ray_pipeline.report").joinpath("run_results.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _totals(totals: Totals) -> dict[str, Any]:
    checks = {verdict.value: number for verdict, number in totals.checks.items()}
    names = ("new_rows", "published", "quarantined", "held", "pending", "days", "days_held", "days_pending")
    return {name: getattr(totals, name) for name in names} | {"checks": checks}


def _encode(value: Any, hint: Any) -> Any:
    """Encode as the field's type says: a whole number where a float is meant is written as a float."""
    if value is None:
        return None
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _encode(value, _but_none(hint))
    if is_dataclass(hint) and isinstance(hint, type):
        return {name: _encode(getattr(value, name), kind) for name, kind in _hints(hint).items()}
    if origin is tuple:
        kinds = (args[0],) * len(value) if args[-1] is Ellipsis else args
        return [_encode(item, kind) for item, kind in zip(value, kinds, strict=True)]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {str(key): _encode(value[key], args[1]) for key in sorted(value)}
    if isinstance(value, Enum):
        return value.value
    return _number(value) if hint is float else value


def _but_none(hint: Any) -> Any:
    return next(kind for kind in get_args(hint) if kind is not type(None))


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _decode(value: Any, hint: Any, path: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        return _decode(value, _but_none(hint), path)
    if origin is Literal:
        return _one_of(value, get_args(hint), path)
    if origin is tuple:
        return _decode_tuple(value, get_args(hint), path)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _expect(isinstance(value, Mapping), path, "an object")
        return {str(key): _decode(item, get_args(hint)[1], f"{path}/{key}") for key, item in value.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        return _decode_fields(value, hint, path)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(_one_of(value, tuple(member.value for member in hint), path))
    return _decode_plain(value, hint, path)


def _decode_plain(value: Any, hint: Any, path: str) -> Any:
    if hint is float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        _expect(good or value in _NOT_NUMBERS, path, "a number")
        return float(value)
    kind = {str: "a text", int: "a whole number", bool: "true or false"}[hint]
    _expect(isinstance(value, hint) and (hint is bool or not isinstance(value, bool)), path, kind)
    return value


def _decode_fields(value: Any, kind: type, path: str) -> Any:
    _expect(isinstance(value, Mapping), path, "an object")
    known = {name: _decode(value[name], hint, f"{path}/{name}") for name, hint in _hints(kind).items() if name in value}
    try:
        return kind(**known)
    except TypeError:  # a field that has no default is not there
        raise ValueError(f"results at {path or '/'}: a field of {kind.__name__} is missing") from None


def _decode_tuple(value: Any, kinds: tuple[Any, ...], path: str) -> tuple[Any, ...]:
    _expect(isinstance(value, list | tuple), path, "an array")
    if kinds[-1] is Ellipsis:
        return tuple(_decode(item, kinds[0], f"{path}/{index}") for index, item in enumerate(value))
    _expect(len(value) == len(kinds), path, f"an array of {len(kinds)}")
    return tuple(
        _decode(item, kind, f"{path}/{index}") for index, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _one_of(value: Any, allowed: tuple[Any, ...], path: str) -> Any:
    _expect(isinstance(value, str) and value in allowed, path, "one of " + ", ".join(map(str, allowed)))
    return value


def _expect(holds: bool, path: str, what: str) -> None:
    if not holds:
        raise ValueError(f"results at {path or '/'}: not {what}")
