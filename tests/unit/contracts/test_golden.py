"""The contracts in tests/golden/contracts: what is said about each wrong one, and what each good one becomes.

``bad/x.yaml`` has its problems, one a line, in ``bad/x.yaml.txt``; ``good/x.yaml`` what ``contract show`` says and
the compiled JSON Schema in ``good/x.yaml.expected.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ray_pipeline.contracts.describe import describe
from ray_pipeline.contracts.lint import lint
from ray_pipeline.contracts.load import load_contract, read_contract
from ray_pipeline.errors import ContractError

GOLDEN = Path(__file__).parents[2] / "golden" / "contracts"
BAD = sorted(file for file in (GOLDEN / "bad").iterdir() if file.suffix != ".txt")
GOOD = sorted(file for file in (GOLDEN / "good").iterdir() if not file.name.endswith(".expected.json"))


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.name)
def test_every_problem_of_a_wrong_contract_is_named_with_its_line(file: Path) -> None:
    contract, problems = read_contract(file.read_text(encoding="utf-8"), file.name, "assert", {}, None)
    assert contract is None
    assert [str(problem) for problem in problems] == file.with_name(file.name + ".txt").read_text().splitlines()


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.name)
def test_a_wrong_contract_does_not_load(file: Path) -> None:
    with pytest.raises(ContractError) as caught:
        load_contract(file)
    assert caught.value.problems
    assert not any(problem.warning for problem in caught.value.problems)
    assert all(str(problem).startswith(f"{file}") for problem in caught.value.problems)


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_good_contract_becomes_what_it_did_before(file: Path) -> None:
    contract = load_contract(file)
    found = describe(contract) | {"file": file.name, "json_schema": contract.json_schema}
    found["warnings"] = [warning.replace(str(file), file.name) for warning in found["warnings"]]
    assert found == json.loads(file.with_name(file.name + ".expected.json").read_text())


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_lint_of_a_good_contract_has_warnings_at_most(file: Path) -> None:
    assert lint(file) == load_contract(file).warnings
