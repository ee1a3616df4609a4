"""``ray-pipeline contract``: check and explain data contracts, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ray_pipeline.errors import UsageError
from ray_pipeline.text import count, visible
from ray_pipeline.types import Outcome

from .console import note, out, print_json, print_line
from .naming import contract_files, open_contract
from .options import ConfigOption, FormatsMode, FormatsOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ray_pipeline.errors import Problem

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def contract() -> None:
    """Check and explain data contracts."""


@app.command("lint")
def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Contracts, or folders of them; else those of the configuration."),
    ] = None,
    output: OutputOption = Output.TEXT,
    formats: FormatsOption = FormatsMode.ASSERT,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """Say everything that is wrong with the contracts at PATH.

    Exits 0 where all are sound (warnings allow that), 1 where one is wrong, 2 where a file is not there.
    """
    from ray_pipeline.contracts.lint import lint as lint_file

    files = contract_files(paths) if paths else _configured(config, sets)
    problems: list[Problem] = []
    missing: list[str] = []
    for file in files:
        try:
            found_here = lint_file(file, formats=formats.value)
            problems += found_here
            if not any(problem.warning is False for problem in found_here):
                problems += _queries(file)
        except UsageError as error:
            missing.append(str(error))
    wrong = sum(not problem.warning for problem in problems)
    if output is Output.JSON:
        print_json({"files": len(files) - len(missing), "problems": [_as_json(problem) for problem in problems]})
    elif len(files) > len(missing):
        for problem in problems:
            print_line(visible(str(problem)))
        warnings = len(problems) - wrong
        found = f"{count(wrong, 'problem')}, {count(warnings, 'warning')}" if problems else "no problem"
        print_line(f"{count(len(files) - len(missing), 'contract')}: {found}")
    for sentence in missing:
        note(sentence)
    if missing:
        raise typer.Exit(Outcome.MISUSED)
    raise typer.Exit(Outcome.BROKEN if wrong else Outcome.HELD)


def _queries(file: Path) -> list[Problem]:
    """Say what is wrong with the SQL of a contract that is sound otherwise."""
    from ray_pipeline.contracts.load import load_contract
    from ray_pipeline.contracts.odcs_expectations import read_expectations
    from ray_pipeline.errors import ContractError, Problem
    from ray_pipeline.sla.checks.unit_sql import UnitSql
    from ray_pipeline.sla.compile import compile_checks

    try:
        contract = load_contract(file)
    except ContractError:  # of several objects: each is linted where a dataset names it
        return []
    if contract.kind != "odcs" or "sql" not in contract.text:
        return []
    checks = compile_checks(contract, read_expectations(contract)).day_checks
    return [
        Problem(str(file), check.line, check.key, check.problem)
        for check in checks
        if isinstance(check, UnitSql) and check.problem is not None
    ]


@app.command("show")
def show(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Contracts, or datasets of the configuration.")],
    output: OutputOption = Output.TEXT,
    formats: FormatsOption = FormatsMode.ASSERT,
    object_name: Annotated[
        str | None, typer.Option("--object", help="Which schema object, where the contract has several.")
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """Explain the contracts at PATH: what a record may be, and what it lands as.

    With --output json, one object a line for each contract.
    """
    from ray_pipeline.contracts.describe import describe

    names = [str(file) for path in paths for file in _expanded(path)]
    for name in names:
        described = describe(open_contract(name, config, sets, formats=formats.value, object_name=object_name))
        if output is Output.JSON:
            print_json(described)
        else:
            _print_described(described)


def _expanded(path: str) -> Sequence[Path | str]:
    return contract_files([Path(path)]) if Path(path).is_dir() else [path]


def _configured(config: Path | None, sets: list[str] | None) -> list[Path]:
    from ray_pipeline.config import load_config

    datasets = load_config(config, sets or ()).datasets.values()
    return list(dict.fromkeys(dataset.contract for dataset in datasets))


def _as_json(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "message": problem.message,
        "warning": problem.warning,
    }


def _print_described(described: dict[str, Any]) -> None:
    from rich.table import Table

    print_line(visible(f"{described['id']} version {described['version']}: {described['name']}"))
    for label, value in (
        ("file", described["file"]),
        ("kind", f"{described['kind']}, JSON Schema {described['draft']}"),
        ("dataset", described["dataset"]),
        ("digest", described["digest"]),
        ("records", described["records"]),
        ("content", described["content"]),
    ):
        if value:
            print_line(f"  {label:8} {visible(str(value))}")
    print_line()
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_edge=False)
    for title in ("column", "in JSON", "in Parquet", "required", "note"):
        table.add_column(title, overflow="fold")
    for column in described["columns"]:
        cells = (column["name"], column["json_type"], column["arrow_type"], "yes" if column["required"] else "", "")
        table.add_row(*(visible(str(cell)) for cell in cells[:4]), visible(column["note"] or ""))
    out().print(table)
    print_line()
    _print_rules(described["rules"])
    settings = (f"{key}: {visible(_in_words(value))}" for key, value in described["settings"].items())
    print_line(f"  {', '.join(settings)}")
    for remark in described["notes"]:
        print_line(f"  - {visible(remark)}")
    for warning in described["warnings"]:
        print_line(f"  {visible(warning)}")
    print_line()


def _print_rules(rules: list[dict[str, str]]) -> None:
    from rich.table import Table

    if not rules:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_edge=False)
    for title in ("where", "must be"):
        table.add_column(title, overflow="fold")
    for rule in rules:
        table.add_row(visible(rule["where"]), visible(rule["what"]))
    out().print(table)
    print_line()


def _in_words(value: object) -> str:
    """Return a setting as the contract writes it.

    >>> _in_words(True), _in_words(None), _in_words(64)
    ('true', 'none', '64')
    """
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
