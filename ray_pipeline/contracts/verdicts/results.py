"""What the judge answers, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from ray_pipeline.types import Violation

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 10


@dataclass(frozen=True, slots=True, repr=False)
class Judgement:
    """Which values are valid, and all that is wrong with the others."""

    values: Sequence[bytes | None]
    valid: list[bool]
    violations: dict[int, tuple[Violation, ...]]
    """Index → reasons; only the refused ones are in it."""
    odd: frozenset[int] = field(default=frozenset())
    """Valid values with a number that must be converted one by one, because Arrow might round it."""

    def __repr__(self) -> str:
        return f"<Judgement of {len(self.valid)} values: {len(self.violations)} refused>"


@dataclass(frozen=True, slots=True, repr=False)
class Columns:
    """The valid values of a judgement as rows of the landing schema."""

    rows: Sequence[int]
    """Index of the value behind each row of ``table``, ascending."""
    table: pa.Table
    violations: dict[int, tuple[Violation, ...]]
    """Values that the schema admits and no row can hold without changing them."""
    truncated: int = 0
    """Times that lost digits below a microsecond, because the contract says so."""

    def __repr__(self) -> str:
        return f"<Columns: {self.table.num_rows} rows, {len(self.violations)} refused, {self.truncated} truncated>"


@dataclass(frozen=True, slots=True, repr=False)
class Verdicts:
    """What a contract says about some records.

    ``valid`` and ``violations`` have one element per record; ``table`` one row per valid record, in order.
    """

    valid: list[bool]
    violations: list[tuple[Violation, ...]]
    table: pa.Table
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.valid)

    def by_rule(self) -> Mapping[str, int]:
        """Count the refused records that break each rule, most frequent first."""
        counts = Counter(rule for reasons in self.violations for rule in {reason.rule for reason in reasons})
        return dict(counts.most_common())

    def __repr__(self) -> str:
        lines = [f"<Verdicts: {len(self)} records, {sum(self.valid)} valid, {self.valid.count(False)} invalid>"]
        lines += [f"  {index}: {_sentence(reason)}" for index, reason in self._first()]
        hidden = sum(map(len, self.violations)) - _SHOWN
        if hidden > 0:
            lines.append(f"  … and {hidden} more violations")
        return "\n".join(lines)

    def _first(self) -> list[tuple[int, Violation]]:
        found: list[tuple[int, Violation]] = []
        for index, reasons in enumerate(self.violations):
            found.extend((index, reason) for reason in reasons[: _SHOWN - len(found)])
            if len(found) >= _SHOWN:
                break
        return found

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{index}</td><td><code>{escape(reason.pointer)}</code></td>"
            f"<td><code>{escape(reason.rule)}</code></td><td>{escape(reason.message)}</td></tr>"
            for index, reason in self._first()
        )
        total = sum(map(len, self.violations))
        head = f"<b>{len(self)}</b> records: <b>{sum(self.valid)}</b> valid, <b>{self.valid.count(False)}</b> invalid"
        if not rows:
            return f"<div>{head}</div>"
        more = f"<div>… and {total - _SHOWN} more violations</div>" if total > _SHOWN else ""
        titles = "<tr><th>record</th><th>where</th><th>rule</th><th>what</th></tr>"
        return f"<div>{head}<table><thead>{titles}</thead><tbody>{rows}</tbody></table>{more}</div>"


def _sentence(reason: Violation) -> str:
    return f"{reason.pointer or '(record)'}: {reason.rule}: {reason.message}"
