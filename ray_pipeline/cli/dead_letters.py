"""``ray-pipeline dead-letters``: the records that their contract refused."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ray_pipeline.text import count, visible, visible_bytes

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.runtime.dead_letters import RefusedRecord

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def dead_letters() -> None:
    """Look at records that their contract refused.

    They are read from the bad files in the lake, so no broker is needed.
    """


@app.command("list")
def list_(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Some datasets; else all.")] = None,
    rule: Annotated[
        str | None, typer.Option("--rule", help="Of the latest, only those that break this rule: required, type, …")
    ] = None,
    partition: Annotated[int | None, typer.Option("--partition", "-p", min=0, help="Only this partition.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many of the latest to list.")] = 10,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Count refused records by rule, and list the latest ones.

    A record is counted under the rule of its first violation.
    """
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    found = pipeline.dead_letters(*(datasets or ()), rule=rule, partition=partition, limit=limit)
    if output is Output.JSON:
        print_json(found.to_json())
        return
    for name, rules in found.by_rule.items():
        print_line(f"{visible(name)}: {count(sum(rules.values()), 'dead letter')}")
        for key, number in rules.items():
            print_line(f"  {number:>10,}  {visible(key)}")
    which = "latest" if rule is None else f"latest with {visible(rule)}"
    if found.latest:
        print_line(f"{which}: dataset, partition, offset, published, reason")
    elif limit and (rule is not None or partition is not None):
        print_line(f"{which}: none")
    for letter in found.latest:
        print_line(f"  {_place(letter)}  {_reasons(letter)}")


@app.command("show")
def show(
    dataset: Annotated[str, typer.Argument(help="A dataset of the configuration.")],
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    payload: Annotated[
        bool, typer.Option("--payload", help="Also print key, value and headers, which may hold anybody's secrets.")
    ] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show one refused record: every reason, and with --payload the record itself."""
    from ray_pipeline.runtime.open import open_pipeline

    letter = open_pipeline(config, sets or ()).dead_letter(dataset, partition, offset)
    if output is Output.JSON:
        print_json(letter.to_json() | (_payload_json(letter) if payload else {}))
        return
    known = letter.to_json()
    print_line(_place(letter))
    print_line(
        visible(f"contract {known['contract']} {known['contract_version']} ({letter.found.contract.digest[:12]})")
    )
    print_line(visible(f"in {letter.bad_file}"))
    for violation in letter.found.record.violations:
        where = visible(violation.pointer) or "(record)"
        source = f" [{visible(violation.schema_path)}]" if violation.schema_path else ""
        print_line(f"  {where}: {visible(violation.rule)}: {visible(violation.message)}{source}")
    if payload:
        _print_payload(letter)
    elif letter.found.record.value is not None:
        print_line(f"{count(len(letter.found.record.value), 'byte')} of value; --payload shows them")


def _place(letter: RefusedRecord) -> str:
    published = letter.to_json()["timestamp"] or "no timestamp"
    return visible(f"{letter.dataset} {letter.found.partition} {letter.found.record.offset}  {published}")


def _reasons(letter: RefusedRecord) -> str:
    first, *more = letter.found.record.violations
    rest = f" (and {len(more)} more)" if more else ""
    return f"{visible(first.pointer) or '(record)'}: {visible(first.rule)}: {visible(first.message)}{rest}"


def _print_payload(letter: RefusedRecord) -> None:
    record = letter.found.record
    for name, value in record.headers:
        print_line(f"header {visible(name)}: {_shown(value)}")
    print_line(f"key: {_shown(record.key)}")
    print_line(f"value: {_shown(record.value)}")


def _shown(value: bytes | None) -> str:
    return "(null)" if value is None else visible_bytes(value)


def _payload_json(letter: RefusedRecord) -> dict[str, Any]:
    record = letter.found.record
    return {
        "key": _as_json(record.key),
        "value": _as_json(record.value),
        "headers": [{"key": name, "value": _as_json(value)} for name, value in record.headers],
    }


def _as_json(data: bytes | None) -> dict[str, str] | None:
    """Return bytes as text where they are UTF-8, else in base64; the key says which."""
    if data is None:
        return None
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}
