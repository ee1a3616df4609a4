"""From a file, or its text, to a contract: everything that is wrong with it is said at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path as FilePath
from pathlib import PurePath
from typing import Any

from ray_pipeline.errors import ContractError, Problem, UsageError

from .document import MAX_TEXT, Document, read_document
from .json_schema import read_schema_file
from .model import DataContract, Formats
from .odcs import DRAFT, SchemaObject, is_odcs, read_objects


def load_contract(
    path: str | PathLike[str],
    *,
    formats: Formats = "assert",
    resources: Mapping[str, object] | None = None,
    object_name: str | None = None,
) -> DataContract:
    """Load an ODCS contract or a bare JSON Schema; told by content.

    ``formats="annotate"`` makes ``format`` a remark that decides nothing, as JSON Schema has it; in ODCS this is about
    ``logicalTypeOptions.format`` of strings only, since date, timestamp and time are types. ``resources`` are the
    documents that a ``$ref`` may reach: nothing is ever fetched. ``object_name`` chooses among several ODCS schema
    objects. Raises :class:`ContractError` with every problem, :class:`UsageError` where there is no such file.
    """
    text, problem = read_text(path)
    if problem is not None:
        raise ContractError((problem,))
    return parse_contract(text, str(path), formats=formats, resources=resources, object_name=object_name)


def parse_contract(
    text: str,
    file: str,
    *,
    formats: Formats = "assert",
    resources: Mapping[str, object] | None = None,
    object_name: str | None = None,
) -> DataContract:
    """Make the contract of a text; ``file`` is only a name for messages. An actor gets the text, not the file."""
    if formats not in ("assert", "annotate"):
        raise UsageError(f"formats is 'assert' or 'annotate', not {formats!r}")
    contract, problems = read_contract(text, file, formats, dict(resources or {}), object_name)
    if contract is None:
        raise ContractError(tuple(problem for problem in problems if not problem.warning))
    return contract


def read_text(path: str | PathLike[str]) -> tuple[str, Problem | None]:
    """The text of a file within the size cap, or what is wrong with its bytes."""
    file = FilePath(path)
    if not file.is_file():
        raise UsageError(f"no contract at {file}" if not file.exists() else f"{file} is not a file")
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_TEXT + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > MAX_TEXT:
        return "", Problem(str(path), None, "", f"larger than {MAX_TEXT:,} bytes; split it")
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return "", Problem(str(path), line, "", "not UTF-8; save it as UTF-8")


def read_contract(
    text: str, file: str, formats: Formats, resources: Mapping[str, object], object_name: str | None
) -> tuple[DataContract | None, tuple[Problem, ...]]:
    """The contract, if nothing is wrong; and every problem and warning, in the order of the file."""
    document = read_document(text, file)
    if document.problems and document.data is None:
        return None, document.problems
    if (unknown := _another_standard(document)) is not None:
        return None, (*document.problems, unknown)
    if is_odcs(document.data):
        return _odcs(document, text, formats, object_name)
    return _json_schema(document, text, formats, resources)


def _another_standard(document: Document) -> Problem | None:
    data = document.data
    if isinstance(data, Mapping) and "dataContractSpecification" in data:
        message = "is another standard; convert the file to ODCS v3 (datacontract export --format odcs)"
        return document.problem(("dataContractSpecification",), message)
    return None


def _odcs(
    document: Document, text: str, formats: Formats, object_name: str | None
) -> tuple[DataContract | None, tuple[Problem, ...]]:
    objects, found = read_objects(document, assert_formats=formats == "assert")
    chosen, problem = _choose(document, objects, object_name)
    problems = _in_order([*document.problems, *found, *([problem] if problem else ())])
    if chosen is None or any(not problem.warning for problem in problems):
        return None, problems
    data: Any = document.data
    settings = chosen.settings
    contract = DataContract(
        id=data["id"],
        version=data["version"],
        name=data.get("name") or data["id"],
        digest=_digest(text),
        text=text,
        file=document.file,
        kind="odcs",
        dataset=chosen.name,
        physical_name=chosen.physical_name,
        json_schema=chosen.json_schema,
        draft=DRAFT,
        shape=chosen.shape,
        event_time=settings.event_time,
        formats="assert",
        sub_microseconds=settings.sub_microseconds,
        tombstones=settings.tombstones,
        land_headers=settings.land_headers,
        rows_independent=settings.rows_independent,
        limits=settings.limits,
        warnings=problems,
    )
    return contract, problems


def _choose(
    document: Document, objects: list[SchemaObject], name: str | None
) -> tuple[SchemaObject | None, Problem | None]:
    names = ", ".join(item.name for item in objects)
    if name is not None:
        chosen = next((item for item in objects if item.name == name), None)
        missing = document.problem(("schema",), f"has no object {name}; there are: {names or 'none'}")
        return chosen, None if chosen else missing
    if len(objects) > 1:
        return None, document.problem(("schema",), f"has several objects; choose one of them by name: {names}")
    return (objects[0] if objects else None), None


def _json_schema(
    document: Document, text: str, formats: Formats, resources: Mapping[str, object]
) -> tuple[DataContract | None, tuple[Problem, ...]]:
    bare, found = read_schema_file(document, resources, assert_formats=formats == "assert")
    problems = _in_order([*document.problems, *found])
    if bare is None or any(not problem.warning for problem in problems):
        return None, problems
    digest = _digest(text)
    root = bare.schema if isinstance(bare.schema, dict) else {}
    identity = root.get("id" if bare.draft == 4 else "$id")
    file_name = PurePath(document.file).name
    contract = DataContract(
        id=identity.removesuffix("#") if isinstance(identity, str) and identity.strip("#") else file_name,
        version=root["version"] if isinstance(root.get("version"), str) and root["version"] else f"0+{digest[:12]}",
        name=root["title"] if isinstance(root.get("title"), str) and root["title"] else file_name,
        digest=digest,
        text=text,
        file=document.file,
        kind="json-schema",
        dataset=None,
        physical_name=None,
        json_schema=bare.schema,
        draft=bare.draft,
        shape=bare.shape,
        formats=formats,
        resources=resources,
        warnings=problems,
    )
    return contract, problems


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))
