"""``ray-pipeline validate``: judge newline-delimited JSON, without any server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ray_pipeline.errors import UsageError
from ray_pipeline.text import count, visible
from ray_pipeline.types import Outcome

from .console import note, print_json, print_line
from .lines import Line, read_lines
from .naming import open_contract
from .options import ConfigOption, FormatsMode, FormatsOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.contracts.model import DataContract
    from ray_pipeline.types import Violation


def validate(
    contract: Annotated[str, typer.Argument(help="A contract's file, or a dataset of the configuration.")],
    file: Annotated[Path, typer.Argument(help="Newline-delimited JSON; - is standard input.")] = Path("-"),
    output: OutputOption = Output.TEXT,
    formats: FormatsOption = FormatsMode.ASSERT,
    object_name: Annotated[
        str | None, typer.Option("--object", help="Which schema object, where the contract has several.")
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """Judge newline-delimited JSON by CONTRACT.

    Prints every reason of every invalid line, then the totals. Exits 0 where all lines are valid, 1 where one is not.

    A line ends with LF or CR LF, and blank lines are no records, but they count as lines.
    """
    judge = open_contract(contract, config, sets, formats=formats.value, object_name=object_name)
    show = _show_json if output is Output.JSON else _show_text
    records = invalid = 0
    with _opened(file) as stream:
        for lines in read_lines(stream, judge.limits.max_bytes):
            refused = _refused(judge, lines)
            for number, violations in refused:
                show(number, violations)
            records += len(lines)
            invalid += len(refused)
            sys.stdout.flush()  # a person who pipes live records in wants to see each verdict as it falls
    if output is Output.JSON:
        print_json({"records": records, "valid": records - invalid, "invalid": invalid})
    else:
        print_line(f"{count(records, 'record')}: {records - invalid:,} valid, {invalid:,} invalid")
    raise typer.Exit(Outcome.BROKEN if invalid else Outcome.HELD)


def _refused(contract: DataContract, lines: list[Line]) -> list[tuple[int, tuple[Violation, ...]]]:
    verdicts = contract.validate([data for _, data in lines])
    return [
        (number, tuple(_unmeasured(violation, contract.limits.max_bytes) for violation in violations))
        for (number, _), valid, violations in zip(lines, verdicts.valid, verdicts.violations, strict=True)
        if not valid
    ]


def _unmeasured(violation: Violation, cap: int) -> Violation:
    """Say of a line that is too long only that: what was read of it is not all of it."""
    from ray_pipeline.contracts.verdicts import codes

    too_large = violation.rule == codes.TOO_LARGE
    return replace(violation, message=f"more bytes than the cap of {cap}") if too_large else violation


def _show_json(line: int, violations: tuple[Violation, ...]) -> None:
    found = [{"path": v.pointer, "rule": v.rule, "schema_path": v.schema_path} for v in violations]
    print_json({"line": line, "violations": found})


def _show_text(line: int, violations: tuple[Violation, ...]) -> None:
    for v in violations:
        print_line(f"line {line}: {visible(v.pointer) or '(record)'}: {visible(v.rule)}: {visible(v.message)}")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        if sys.stdin.isatty():
            note("reading records from the terminal, one a line; Ctrl-D ends")
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    with stream:
        yield stream
