"""The ``relationships`` of a contract, read and checked: of the schema object, and of every property."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from .document import Path, read_document
from .expectations import Breach, Column, Relationship, Severity
from .odcs_columns import ITEMS, Member, dotted, members_of
from .odcs_library import unknown_column
from .odcs_options import Compiling
from .odcs_references import Reference, find_object, find_property, parse_reference
from .odcs_terms import Term, number, one_of, read_terms
from .schema_errors import nearest, shown

if TYPE_CHECKING:
    from .model import DataContract

_TERMS: Final[dict[str, Term]] = {
    "severity": one_of("error", "warning", "info"),
    "breach": one_of("quarantine", "hold"),
    "tolerancePercent": number(0, 100),
}
_FORMS: Final = "write object.property, or file.yaml#schema/object/properties/property"


def read_relationships(
    compiling: Compiling,
    data: Mapping[str, Any],
    item: Mapping[str, Any],
    path: Path,
    members: Mapping[Column, Member],
) -> list[Relationship]:
    """Every foreign key, in the order of the file."""
    places: list[tuple[Mapping[str, Any], Path, Column]] = [(item, path, ())]
    places += [(member.data, member.path, member.column) for member in members.values()]
    found: list[Relationship] = []
    for holder, here, column in places:
        listed = holder.get("relationships")
        for index, entry in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(entry, Mapping):
                found += _read(compiling, data, item, entry, (*here, "relationships", index), column, members)
    return sorted(found, key=lambda relationship: relationship.line or 0)


def parent_columns(relationship: Relationship, parent: DataContract) -> tuple[Column, ...] | None:
    """The columns of the parent's contract: a reference into another file is by ids, and there they have names.

    None where one of them is not there.
    """
    data = read_document(parent.text, parent.file).data
    found = find_object(data, parent.dataset or relationship.parent) if isinstance(data, Mapping) else None
    if found is None:
        return None
    columns = [find_property(*found, column) for column in relationship.parent_columns]
    return None if None in columns else tuple(column for column in columns if column is not None)


def _read(
    compiling: Compiling,
    data: Mapping[str, Any],
    item: Mapping[str, Any],
    entry: Mapping[str, Any],
    path: Path,
    column: Column,
    members: Mapping[Column, Member],
) -> Iterator[Relationship]:
    targets = _references(compiling, entry, "to", path)
    columns = (column,) if column else _own_columns(compiling, item, entry, path, members)
    terms = read_terms(compiling, entry, path, _TERMS)
    severity: Severity = terms["severity"][0] if "severity" in terms else "error"
    breach: Breach = terms["breach"][0] if "breach" in terms else "quarantine"
    if "breach" in terms and severity != "error":
        compiling.warn(terms["breach"][1], f"has no effect on severity {severity}, which only reports")
    if targets is None or columns is None or not targets:
        return
    if len(columns) != len(targets):
        message = f"{len(columns)} columns refer to {len(targets)}; name as many in to as in from"
        compiling.refuse((*path, "to"), message)
        return
    parents = {(target.file, target.object) for target in targets}
    if len(parents) > 1:
        names = ", ".join(sorted(name for _, name in parents))
        compiling.refuse((*path, "to"), f"names several objects ({names}); a foreign key has one parent")
        return
    parent = _parent_columns(compiling, data, targets, (*path, "to"))
    if parent is None:
        return
    name, parent_names = parent
    given = entry.get("id")
    yield Relationship(
        id=given if isinstance(given, str) and given else f"{'-'.join(map(dotted, columns))}.{name}",
        columns=columns,
        parent=name,
        parent_file=targets[0].file,
        parent_columns=parent_names,
        severity=severity,
        breach=breach,
        tolerance_percent=float(terms["tolerancePercent"][0]) if "tolerancePercent" in terms else 0.0,
        line=compiling.document.line(path),
        key=compiling.document.key(path),
    )


def _own_columns(
    compiling: Compiling,
    item: Mapping[str, Any],
    entry: Mapping[str, Any],
    path: Path,
    members: Mapping[Column, Member],
) -> tuple[Column, ...] | None:
    references = _references(compiling, entry, "from", path)
    if references is None:
        return None
    columns: list[Column] = []
    for reference in references:
        if reference.file is not None or reference.object not in (item.get("name"), item.get("id")):
            compiling.refuse((*path, "from"), f"names {reference.object}; from is a property of {item.get('name')}")
            return None
        column = find_property(item, (), reference.column) if reference.column else None
        if column is None or ITEMS in column:
            compiling.refuse((*path, "from"), unknown_column(".".join(reference.column), members))
            return None
        columns.append(column)
    return tuple(columns)


def _references(compiling: Compiling, entry: Mapping[str, Any], name: str, path: Path) -> list[Reference] | None:
    value = entry.get(name)
    if value is None:
        return None  # reported by the standard's schema
    texts = value if isinstance(value, list) else [value]
    references = []
    for text in texts:
        reference = parse_reference(text)
        if reference is None or (name == "to" and not reference.column):
            compiling.refuse((*path, name), f"{shown(text)} names no property; {_FORMS}")
            return None
        references.append(reference)
    return references


def _parent_columns(
    compiling: Compiling, data: Mapping[str, Any], targets: list[Reference], path: Path
) -> tuple[str, tuple[Column, ...]] | None:
    """Names of the parent and its columns; of another file, as the reference has them."""
    first = targets[0]
    found = None if first.file else find_object(data, first.object)
    if found is None:
        if first.file is None:
            listed = data.get("schema")
            names = [str(x.get("name")) for x in listed if isinstance(x, Mapping)] if isinstance(listed, list) else []
            hint = nearest(first.object, names) or "; it is taken for the dataset of that name"
            compiling.warn(path, f"{first.object} is no object of this contract{hint}")
        return first.object, tuple(target.column for target in targets)
    item, _ = found
    columns = [find_property(*found, target.column) for target in targets]
    for target, column in zip(targets, columns, strict=True):
        if column is None:
            members = {member.column: member for member in members_of(*found)}
            compiling.refuse(path, unknown_column(".".join(target.column), members).replace("this", first.object))
            return None
    return str(item["name"]), tuple(column for column in columns if column is not None)
