"""G4: the files of a table against the decisions that it says it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .entries import Decision
from .verify_report import Findings


def check_table(
    where: str,
    uri: Callable[[str], str],
    decisions: Mapping[int, Decision],
    files: Iterable[tuple[str, int]],
    applied: int,
    findings: Findings,
) -> None:
    """Compare (URI, rows) of each file in a table with what the decisions up to ``applied`` published.

    ``uri`` makes a key into the address that the table knows.
    """
    if applied > max(decisions, default=-1):
        findings.broken("G4", "applied", where, f"the table holds decision {applied}, which the ledger does not have")
    expected = {uri(file.key): file for n, decision in decisions.items() if n <= applied for file in decision.publish}
    seen: set[str] = set()
    for address, rows in files:
        file = expected.get(address)
        if address in seen:
            findings.broken("G4", "twice", address, "is in the table twice")
        elif file is None:
            findings.broken("G4", "foreign", address, f"is in the table, and no decision up to {applied} published it")
        elif file.rows != rows:
            findings.broken("G4", "rows", file.key, f"has {file.rows} rows, and {rows} in the table")
        seen.add(address)
    for address, file in expected.items():
        if address not in seen:
            findings.broken("G4", f"missing {file.day}", file.key, "was published, and is not in the table")
