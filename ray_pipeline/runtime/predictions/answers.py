"""Answers for programs: one as JSON, as over HTTP, and many as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from ray_pipeline.errors import UsageError
from ray_pipeline.runtime.predictions.event import moment_text
from ray_pipeline.runtime.predictions.policy import Answer, Refusal
from ray_pipeline.runtime.predictions.request import request_text

_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("as_of", pa.timestamp("us", "UTC")),
        ("label_key", pa.string()),
        ("request", pa.string()),
        ("probability", pa.float64()),
        ("model", pa.string()),
        ("version", pa.int32()),
        ("status", pa.string()),
        ("refused", pa.string()),
    ]
)


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return an answer, or why there is none, as JSON writes it."""
    if isinstance(answer, Refusal):
        return {"request_id": answer.request_id, "error": {"code": answer.why.value, "message": answer.message}}
    return {
        "request_id": answer.request.request_id,
        "probability": answer.probability,
        "model": {"name": answer.model, "version": answer.version},
        "as_of": moment_text(answer.as_of),
        "status": "complete" if answer.is_complete else "degraded",
        "features": {
            name: {
                "value": moment_text(found.value) if isinstance(found.value, datetime) else found.value,
                "status": found.status.value,
            }
            for name, found in answer.features.items()
        },
    }


def write_answers(file: Path, answers: Sequence[Answer]) -> None:
    """Write the answers into a file, a row for each, by its suffix; ``refused`` says why there is no probability."""
    try:
        _WRITERS[file.suffix.lower()](file, answers)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or type(error).__name__}") from None


def _json_lines(file: Path, answers: Sequence[Answer]) -> None:
    with file.open("wb") as stream:
        for answer in answers:
            stream.write(orjson.dumps(answer_json(answer), option=orjson.OPT_APPEND_NEWLINE))


def _csv(file: Path, answers: Sequence[Answer]) -> None:
    import pyarrow.csv as pc

    pc.write_csv(_table(answers), file)


def _parquet(file: Path, answers: Sequence[Answer]) -> None:
    import pyarrow.parquet as pq

    pq.write_table(_table(answers), file)


def _table(answers: Sequence[Answer]) -> pa.Table:
    return pa.Table.from_pylist([_row(answer) for answer in answers], _SCHEMA)


def _row(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return {"request_id": answer.request_id, "refused": answer.message}
    return {
        "request_id": answer.request.request_id,
        "as_of": answer.as_of,
        "label_key": answer.request.label_key,
        "request": request_text(answer.request.values),
        "probability": answer.probability,
        "model": answer.model,
        "version": answer.version,
        "status": "complete" if answer.is_complete else "degraded",
    }


_WRITERS: Mapping[str, Callable[[Path, Sequence[Answer]], None]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
SUFFIXES = tuple(_WRITERS)
"""What a file of answers may end with."""
