"""I7, the verdicts: landed rows are rebuilt and must be valid, bad records are judged again and must be refused.

A row proves less than the record did: where a record has to be guessed (a null that may have been an absent key) and
no guess is valid, that is a doubt, not a breach, unless the guess was certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.rebuild import rebuild
from ray_pipeline.contracts.shape import Date, Integer, ListOf, Number, Record, RootShape, Shape, Timestamp
from ray_pipeline.types import Violation

_COUNTED_KEYS = frozenset(("minProperties", "maxProperties"))
_VALUE_SEMANTICS = 6
"""The first draft in which 1.0 and 1 are the same integer."""


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """The first row of a batch that is no image of a valid record."""

    row: int
    certain: bool
    message: str


def judge_rows(rows: pa.Table, contract: DataContract) -> list[RowVerdict]:
    """Judge the records that landed as these rows; return those that no valid record lands as, and doubts."""
    records = rebuild(rows, contract.shape, contract.json_schema).to_pylist()
    refused = contract.judge(records).violations
    if not refused:
        return []
    suspects = sorted(refused)
    table = rows.take(suspects)
    kept = rebuild(table, contract.shape, contract.json_schema, keep_nulls=True).to_pylist()
    refused_again = contract.judge(kept).violations
    bare = [] if contract.kind == "odcs" else rebuild(table, contract.shape).to_pylist()
    valid_bare = contract.judge(bare).valid if bare else []
    return [
        RowVerdict(row, _is_certain(contract, refused[row], table.slice(i, 1)), _words(refused[row]))
        for i, row in enumerate(suspects)
        if i in refused_again and not (valid_bare and valid_bare[i])
    ]


def judge_bad(values: list[bytes | None], stored: list[frozenset[str]], contract: DataContract) -> list[RowVerdict]:
    """Judge bad records again; return those that are valid now, or are refused for other reasons than were stored."""
    judgement = contract.judge(values)
    violations = judgement.violations
    if any(judgement.valid):
        violations = {**violations, **contract.columns(judgement).violations}
    found = []
    for i, rules in enumerate(stored):
        now = frozenset(violation.rule for violation in violations.get(i, ()))
        if not now:
            found.append(RowVerdict(i, True, f"was refused ({_list(rules)}) and is valid"))
        elif now != rules:
            found.append(RowVerdict(i, True, f"was refused for {_list(rules)}, and now is for {_list(now)}"))
    return found


def _is_certain(contract: DataContract, violations: tuple[Violation, ...], row: pa.Table) -> bool:
    """Say whether no valid record at all can have landed as this row."""
    if contract.kind != "odcs":
        return _comes_back(contract.shape, contract.draft) and not _has_nulls(row, contract.shape)
    # ODCS has absent or null wherever a key is not required, so only counting keys depends on which of them it was.
    return any(
        violation.rule not in _COUNTED_KEYS and not violation.rule.startswith("record.") for violation in violations
    )


def _comes_back(shape: RootShape | Shape, draft: int) -> bool:
    """Say whether a rebuilt value without nulls is, to JSON Schema, the very value that came."""
    match shape:
        case Timestamp() | Date():
            return False
        case Number():
            return False  # 1e300 and its digits written out are one double, and two numbers to multipleOf
        case Integer():
            return draft >= _VALUE_SEMANTICS
        case ListOf(items=items):
            return _comes_back(items, draft)
        case Record(fields=fields):
            return all(_comes_back(field.shape, draft) for field in fields)
        case _:
            return True


def _has_nulls(row: pa.Table, shape: RootShape) -> bool:
    names = [field.name for field in shape.fields] if isinstance(shape, Record) else []
    return any(_null_within(row.column(name).combine_chunks()) for name in names)


def _null_within(array: pa.Array) -> bool:
    if array.null_count:
        return True
    if pa.types.is_struct(array.type):
        return any(_null_within(child) for child in array.flatten())
    return pa.types.is_list(array.type) and _null_within(array.flatten())


def _words(violations: tuple[Violation, ...]) -> str:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    path = "/" + "/".join(str(part) for part in first.path)
    return f"landed, and is not valid: {path}: {first.rule}: {first.message}{more}"


def _list(rules: frozenset[str]) -> str:
    return ", ".join(sorted(rules)) or "no rule"
