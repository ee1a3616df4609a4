"""A model's spec: what it means, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.errors import ConfigError
from ray_pipeline.features.training_spec import read_spec
from ray_pipeline.model.spec import DEFAULT_ESTIMATOR, model_spec_of, read_model_spec

FLIGHTS = Path(__file__).parents[3] / "configs" / "flights"
GOOD = """\
name: late
training_set: late.yaml
estimator: sklearn.ensemble.HistGradientBoostingClassifier
parameters: {max_iter: 20}
keys: [carrier]
without: [destination_last_7d]
calibration: isotonic
splits: {fit: a, calibrate: b, test: c}
seed: 7
bootstrap: 50
"""


def _problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "m.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_model_spec(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_a_spec_is_read_and_written_again(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(GOOD)
    spec = read_model_spec(file)
    assert (spec.name, spec.training_set, spec.parameters) == ("late", "late.yaml", {"max_iter": 20})
    assert (spec.keys, spec.without, spec.calibration) == (("carrier",), ("destination_last_7d",), "isotonic")
    assert (spec.fit, spec.calibrate, spec.test, spec.seed, spec.bootstrap) == ("a", "b", "c", 7, 50)
    assert spec.folder == tmp_path
    assert model_spec_of(spec.to_json(), folder=tmp_path) == spec


def test_two_lines_are_enough(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("name: late\ntraining_set: late\n")
    spec = read_model_spec(file)
    assert (spec.estimator, spec.calibration, spec.seed, spec.bootstrap) == (DEFAULT_ESTIMATOR, "sigmoid", 0, 200)
    assert (spec.fit, spec.calibrate, spec.test) == ("train", "validation", "test")
    assert model_spec_of(spec.to_json(), folder=tmp_path) == spec


def test_the_example_names_the_splits_of_its_training_set() -> None:
    spec = read_model_spec(FLIGHTS / "late_arrival_model.yaml")
    assert spec.folder is not None
    splits = [split.name for split in read_spec(spec.folder / spec.training_set).splits]
    assert [spec.fit, spec.calibrate, spec.test] == splits


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: late\n", "name: ../late\n", "1: name: must be a word"),
        ("training_set: late.yaml\n", "", "1: training_set: is required"),
        ("training_set: late.yaml", "training_set: 12", "2: training_set: must be text"),
        ("estimator: sklearn.ensemble.", "estimator: ", "3: estimator: must be the dotted path of a class"),
        ("parameters:", "parameter:", "4: parameter: unknown key; did you mean parameters?"),
        ("{max_iter: 20}", "20", "4: parameters: must be a mapping"),
        ("max_iter: 20", "random_state: 20", "4: parameters.random_state: is set from seed: leave it out"),
        ("[carrier]", "carrier", "5: keys: must be a list of names"),
        ("[carrier]", "[carrier, carrier]", "5: keys.1: carrier stands twice"),
        ("isotonic", "isotone", "7: calibration: must be one of sigmoid, isotonic, none"),
        ("test: c", "test: a", "8: splits.test: must not be a, the split of fit: it is to be held out"),
        ("test: c", "tests: c", "8: splits.tests: unknown key; did you mean test?"),
        ("test: c", "test: [c]", "8: splits.test: must be the name of a split"),
        ("seed: 7", "seed: -1", "9: seed: must be a whole number from 0"),
        ("seed: 7", "seed: true", "9: seed: must be a whole number from 0"),
        ("bootstrap: 50", "bootstrap: 1e9", "10: bootstrap: must be a whole number from 0"),
    ],
)
def test_a_wrong_spec_is_told_with_line_and_key(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    assert any(found.startswith(problem) for found in _problems(tmp_path, GOOD.replace(old, new, 1)))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    assert len(_problems(tmp_path, "seed: x\nbootstrap: y\ncalibrations: z\n")) == 5


def test_a_file_that_is_no_spec_at_all_is_told(tmp_path: Path) -> None:
    assert _problems(tmp_path, "- a\n") == ["1: must hold keys and values: name, training_set, estimator, …"]
    with pytest.raises(ConfigError, match="there is no such file"):
        read_model_spec(tmp_path / "absent.yaml")
