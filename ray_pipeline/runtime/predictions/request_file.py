"""Requests from a file: JSON lines, CSV or Parquet, each row read as a request over HTTP is, all problems at once."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from ray_pipeline.errors import Problem, ProblemsError, UsageError
from ray_pipeline.features.shape import ValueType
from ray_pipeline.runtime.predictions.prediction import PredictionRequest
from ray_pipeline.runtime.predictions.request import (
    AS_OF,
    REQUEST_ID,
    RequestError,
    RequestField,
    read_request,
    request_text,
)
from ray_pipeline.text import count

MOST_PROBLEMS = 1_000
"""More are counted, and not said one by one."""
_WORDS = {"true": True, "false": False}

Line = tuple[int, Mapping[str, Any] | str]
"""The number of a row in its file, and what it holds, or what keeps it from being read."""


def read_request_file(
    path: Path | str, fields: Sequence[RequestField], model: str, *, as_of: datetime | None = None
) -> list[PredictionRequest]:
    """Return the requests of a file, in its order; ``as_of`` is the moment of those that name none.

    A row without a ``request_id`` gets one made of the model's name and of what it asks, so that the same file asks
    with the same ids. Raises ``ProblemsError`` with what is wrong in every row.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"{file}: must be a file of requests: {', '.join(_READERS)}")
    problems: list[Problem] = []
    found: list[PredictionRequest] = []
    lines: dict[str, int] = {}
    made: Counter[str] = Counter()
    left_out = 0
    for line, document in reader(file, fields):
        try:
            request = _request(fields, document, model, as_of, made)
            if request.request_id in lines:
                said = f"is the request_id of line {lines[request.request_id]} too"
                raise RequestError("asked_twice", said, REQUEST_ID)  # noqa: TRY301
        except RequestError as error:
            if len(problems) < MOST_PROBLEMS:
                problems.append(Problem(str(file), line, error.field or "", str(error)))
            else:
                left_out += 1
            continue
        lines[request.request_id] = line
        found.append(request)
    if left_out:
        problems.append(Problem(str(file), None, "", f"… and {count(left_out, 'more row')} that cannot be asked"))
    if problems:
        raise ProblemsError(tuple(problems))
    return found


def written_values(fields: Sequence[RequestField], row: Mapping[str, str]) -> dict[str, Any]:
    """Return values that were written as text, by the fields' types; nothing written is null.

    What cannot be read stays text, so that it is refused as what it is.

    >>> written_values([RequestField("n", ValueType.INT64, "key", True)], {"n": "7", "as_of": ""})
    {'n': 7, 'as_of': None}
    """
    types = {field.name: field.type for field in fields if field.kind != "label_key"}
    return {name: _written(types.get(name, ValueType.STRING), text) for name, text in row.items()}


def _request(
    fields: Sequence[RequestField],
    document: Mapping[str, Any] | str,
    model: str,
    as_of: datetime | None,
    made: Counter[str],
) -> PredictionRequest:
    if isinstance(document, str):
        raise RequestError("not_an_object", document)
    if document.get(AS_OF) is None:
        if as_of is None:
            raise RequestError("missing_field", "as_of is missing: the moment that the row asks about", AS_OF)
        document = {**document, AS_OF: as_of}
    request = read_request(fields, document, allow_as_of=True, new_id=str)
    if request.request_id:
        return request
    # Twice the same question is twice the same id, but for its number.
    own = _id(model, request)
    made[own] += 1
    number = f"-{made[own]}" if made[own] > 1 else ""
    return PredictionRequest(own + number, request.values, request.as_of, request.label_key)


def _id(model: str, request: PredictionRequest) -> str:
    assert request.as_of is not None
    parts = [model, request.as_of.isoformat(), request.label_key, request_text(request.values)]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:32]


def _json_lines(file: Path, _fields: Sequence[RequestField]) -> Iterator[Line]:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                document = orjson.loads(text)
                json.loads(text, object_pairs_hook=_once)
            except _TwiceError:
                yield number, "names a field twice"
                continue
            except (ValueError, RecursionError):
                yield number, "is no JSON"
                continue
            yield number, document if isinstance(document, dict) else "a request is a JSON object"


class _TwiceError(Exception):
    """A key stands twice in one object: it says two things, and neither may be dropped in silence."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _csv(file: Path, fields: Sequence[RequestField]) -> Iterator[Line]:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not UTF-8 text") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(rows, None)
        if not head or len(set(head)) < len(head):
            raise UsageError(f"{file}: the first line must name the columns, each once")
        for row in rows:
            if not row:
                continue
            if len(row) != len(head):
                yield rows.line_num, f"has {count(len(row), 'cell')}, and the first line names {len(head)}"
            else:
                yield rows.line_num, written_values(fields, dict(zip(head, row, strict=True)))
    except csv.Error as error:
        raise UsageError(f"{file}:{rows.line_num}: {error}") from None


def _parquet(file: Path, _fields: Sequence[RequestField]) -> Iterator[Line]:
    """Yield the rows; a row's number counts from 1."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{file}: is no Parquet file that can be read ({type(error).__name__})") from None
    for place, one in enumerate(table.schema):
        if pa.types.is_timestamp(one.type) and one.type.unit == "ns":
            try:
                column = table.column(place).cast(pa.timestamp("us", one.type.tz))
            except pa.ArrowInvalid:
                raise UsageError(f"{file}: {one.name} is finer than microseconds") from None
            table = table.set_column(place, one.name, column)
    number = 0
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            number += 1
            yield number, {name: _in_utc(value) for name, value in row.items()}


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else value


def _written(kind: ValueType, text: str) -> Any:
    if text == "":
        return None
    try:
        if kind is ValueType.INT64:
            return int(text)
        if kind is ValueType.FLOAT64:
            return float(text)
    except ValueError:
        return text
    return _WORDS.get(text.lower(), text) if kind is ValueType.BOOL else text


_READERS: Mapping[str, Callable[[Path, Sequence[RequestField]], Iterable[Line]]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
