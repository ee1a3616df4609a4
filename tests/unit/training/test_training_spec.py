"""A training set's spec: what it means, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.errors import ConfigError
from ray_pipeline.features.training_spec import Split, moment_us, read_spec, spec_of

GOOD = """\
name: late
labels: late_arrival
service: flight_delay
from: 2013-02-04T00:00:00Z
to: 2013-02-06T00:00:00Z
splits:
  train: 2013-02-05T00:00:00Z
  test: 2013-02-06T00:00:00Z
labels_by: 2013-02-07T00:00:00+01:00
snapshots:
  curated: {departures: 7}
  features: {origin_last_2h: 8}
"""


def _problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_spec(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_a_spec_is_read_and_written_again(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(GOOD)
    spec = read_spec(file)
    middle = moment_us("2013-02-05T00:00:00Z")
    assert spec.splits == (Split("train", spec.start_us, middle), Split("test", middle, spec.end_us))
    assert spec.labels_by_us == moment_us("2013-02-06T23:00:00Z")
    assert (spec.curated, spec.features) == ({"departures": 7}, {"origin_last_2h": 8})
    assert spec_of(spec.to_json(), "m") == spec


def test_without_splits_all_rows_are_one(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(GOOD[: GOOD.index("splits")])
    spec = read_spec(file)
    assert spec.splits == (Split("all", spec.start_us, spec.end_us),)
    assert spec_of(spec.to_json(), "m") == spec


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("from: 2013-02-04T00:00:00Z", "from: 2013-02-04", "4: from: has no time zone"),
        ("from: 2013-02-04T00:00:00Z", "from: yesterday", "4: from: must be a moment"),
        ("from: 2013-02-04T00:00:00Z", "from: 12", "4: from: must be a moment"),
        ("to: 2013-02-06T00:00:00Z", "to: 2013-02-03T00:00:00Z", "5: to: must be after from"),
        ("service: flight_delay\n", "", "1: service: is required"),
        ("service:", "services:", "3: services: unknown key; did you mean service?"),
        ("name: late", "name: ../late", "1: name: must be a word"),
        ("  train: 2013-02-05T00:00:00Z", "  train: 2013-02-01T00:00:00Z", "7: splits.train: must end after"),
        ("  train: 2013-02-05T00:00:00Z", "  train:", "7: splits.train: needs the moment at which it ends"),
        ("  test: 2013-02-06T00:00:00Z", "  test: 2013-02-05T12:00:00Z", "8: splits.test: the last split must end"),
        ("{departures: 7}", "{departures: newest}", "11: snapshots.curated.departures: must be the id"),
        ("curated:", "landed:", "11: snapshots.landed: unknown key"),
        ("splits:\n", "splits: 3\nother:\n", "6: splits: must be a mapping"),
    ],
)
def test_a_wrong_spec_is_told_with_line_and_key(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    assert any(found.startswith(problem) for found in _problems(tmp_path, GOOD.replace(old, new)))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    assert len(_problems(tmp_path, "name: 3\nfrom: x\n")) == 5


def test_a_file_that_is_no_spec_at_all_is_told(tmp_path: Path) -> None:
    assert _problems(tmp_path, "- a\n") == ["1: must hold keys and values: name, labels, service, from, to, …"]
    with pytest.raises(ConfigError, match="there is no such file"):
        read_spec(tmp_path / "absent.yaml")
