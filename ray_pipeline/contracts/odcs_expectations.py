"""What an ODCS contract promises beyond one record, read from its text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .document import Path, read_document
from .expectations import Column, Expectations, QualityRule, Relationship, SlaProperty, SupportChannel
from .model import DataContract
from .odcs_columns import Member, dotted, members_of
from .odcs_options import Compiling
from .odcs_quality import read_quality
from .odcs_relationships import read_relationships
from .odcs_settings import Settings, read_settings
from .odcs_sla import read_sla


def read_expectations(contract: DataContract) -> Expectations:
    """What the contract promises of its dataset; nothing for a bare JSON Schema, which has no words for it."""
    document = read_document(contract.text, contract.file)
    data = document.data
    if contract.kind != "odcs" or not isinstance(data, Mapping) or not isinstance(data.get("schema"), list):
        return Expectations()
    compiling = Compiling(document, open_content=False, assert_formats=True)
    for index, item in enumerate(data["schema"]):
        if isinstance(item, Mapping) and item.get("name") == contract.dataset:
            path: Path = ("schema", index)
            return expectations_of(compiling, data, item, path, read_settings(compiling, data, item, path))
    return Expectations()


def expectations_of(
    compiling: Compiling, data: Mapping[str, Any], item: Mapping[str, Any], path: Path, settings: Settings
) -> Expectations:
    """The same of one schema object, at ``path``; what is wrong goes to ``compiling``."""
    members = {member.column: member for member in members_of(item, path)}
    sla = read_sla(compiling, data, item, members, settings.event_time)
    quality = read_quality(compiling, item, path, members)
    relationships = read_relationships(compiling, data, item, path, members)
    _warn_of_repeated_ids(compiling, data, item, path, members)
    ids = _Ids([*sla, *quality, *relationships])
    primary_key = _primary_key(members)
    unique = tuple(member.column for member in members.values() if member.data.get("unique") is True)
    return Expectations(
        sla=tuple(replace(entry, id=ids.name(entry, "sla")) for entry in sla),
        quality=tuple(replace(rule, id=ids.name(rule, "quality", *map(dotted, rule.columns))) for rule in quality),
        relationships=tuple(replace(entry, id=ids.name(entry, "relationships")) for entry in relationships),
        primary_key=primary_key,
        unique=unique,
        key_lines={c: line for c in (*primary_key, *unique) if (line := compiling.document.line(members[c].path))},
        uniqueness_scope=settings.uniqueness_scope,
        lateness=settings.lateness,
        support=_support(data),
        classified=_classified(members),
    )


class _Ids:
    """Ids that are unique in the contract: the standard makes them so within one list only."""

    def __init__(self, entries: Iterable[SlaProperty | QualityRule | Relationship]) -> None:
        self._wanted = Counter(entry.id for entry in entries)
        self._given: set[str] = set()

    def name(self, entry: SlaProperty | QualityRule | Relationship, *place: str) -> str:
        """Its own id; with its place before it where another entry has the same."""
        says_place = len(place) > 1 and entry.id.startswith(".".join(place[1:]) + ".")
        wanted = entry.id if self._wanted[entry.id] == 1 or says_place else ".".join([*place, entry.id])
        name, number = wanted, 2
        while name in self._given:
            name, number = f"{wanted}-{number}", number + 1
        self._given.add(name)
        return name


def _warn_of_repeated_ids(
    compiling: Compiling,
    data: Mapping[str, Any],
    item: Mapping[str, Any],
    path: Path,
    members: Mapping[Column, Member],
) -> None:
    places = [(item, path), *((member.data, member.path) for member in members.values())]
    lists = [(holder.get(name), (*here, name)) for holder, here in places for name in ("quality", "relationships")]
    for listed, here in [*lists, (data.get("slaProperties"), ("slaProperties",))]:
        seen: set[str] = set()
        for index, entry in enumerate(listed if isinstance(listed, list) else ()):
            name = entry.get("id") if isinstance(entry, Mapping) else None
            if isinstance(name, str) and name in seen:
                compiling.warn((*here, index, "id"), f"{name} a second time; a check keeps its history under its id")
            elif isinstance(name, str):
                seen.add(name)


def _primary_key(members: Mapping[Column, Member]) -> tuple[Column, ...]:
    keys = [member for member in members.values() if member.data.get("primaryKey") is True]
    return tuple(member.column for member in sorted(keys, key=_position))


def _position(member: Member) -> float:
    position = member.data.get("primaryKeyPosition")
    return position if isinstance(position, int | float) and position >= 0 else float("inf")


def _classified(members: Mapping[Column, Member]) -> frozenset[Column]:
    """Columns with a classification other than public, and all that is in them."""
    found: set[Column] = set()
    for member in members.values():  # parents come before their children
        written = member.data.get("classification")
        own = isinstance(written, str) and written.strip().casefold() not in ("", "public")
        if own or member.column[:-1] in found:
            found.add(member.column)
    return frozenset(found)


def _support(data: Mapping[str, Any]) -> tuple[SupportChannel, ...]:
    listed = data.get("support")
    return tuple(
        SupportChannel(entry["channel"], _text(entry.get("tool")), _text(entry.get("url")))
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, Mapping) and isinstance(entry.get("channel"), str)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
