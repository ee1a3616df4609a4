"""The official JSON Schema test suite, through the door that users have: ``DataContract.validate``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby

import pytest

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract, Formats
from ray_pipeline.errors import ContractError
from tests import suite

_DRAFTS = {number: name for name, number in suite.DRAFTS.items()}


def _contract(case: suite.Case, formats: Formats) -> DataContract:
    schema = case.schema
    if isinstance(schema, dict):
        schema = {"$schema": suite.METASCHEMAS[case.draft], **schema}
    return parse_contract(json.dumps(schema), "suite.json", formats=formats, resources=suite.remotes(case.draft))


def _answers(case: suite.Case, formats: Formats) -> Iterator[tuple[str, bool, bool]]:
    """Yield each test, whether the suite wants it valid, and whether it is."""
    records = [json.dumps(instance, ensure_ascii=False).encode() for _, instance, _ in case.tests]
    verdicts = _contract(case, formats).validate(records)
    assert verdicts.table.num_rows == sum(verdicts.valid)
    for (description, _, wanted), found, reasons in zip(case.tests, verdicts.valid, verdicts.violations, strict=True):
        assert found == (not reasons)
        yield description, wanted, found


def _by_file() -> list[pytest.param]:
    groups = groupby(suite.required(), key=lambda case: (case.draft, case.file))
    return [pytest.param(list(cases), id=f"{_DRAFTS[draft]}/{file}") for (draft, file), cases in groups]


@pytest.mark.parametrize("cases", _by_file())
def test_every_required_test_of_the_suite_gets_the_right_verdict(cases: list[suite.Case]) -> None:
    wrong = [
        f"{case.description}: {description}"
        for case in cases
        for description, wanted, found in _answers(case, "annotate")
        if wanted != found
    ]
    assert not wrong


def test_optional_formats_and_ecmascript_patterns_are_right_too(capsys: pytest.CaptureFixture[str]) -> None:
    """With formats asserted; and a table for people."""
    table = _table(suite.optional("format/*", "ecmascript-regex"))
    with capsys.disabled():
        print("\n  optional part of the suite             right  wrong  refused as a contract")
        for file, (right, wrong, refused) in sorted(table.items()):
            print(f"  {file:38} {right:5}  {wrong:5}  {refused:5}")
    assert not sum(wrong for _, wrong, _ in table.values())


def _table(cases: list[suite.Case]) -> dict[str, tuple[int, int, int]]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for case in cases:
        count = counts[case.file]
        try:
            for _, wanted, found in _answers(case, "assert"):
                count[wanted != found] += 1
        except ContractError:
            count[2] += len(case.tests)
    return {file: (right, wrong, refused) for file, (right, wrong, refused) in counts.items()}
