"""Detectors on errors: the same alarms however the labels come, as rare as promised, and clear refusals."""

from __future__ import annotations

import importlib
import itertools
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.drift.cusum import Cusum
from ray_pipeline.drift.error_reference import design_effect
from ray_pipeline.drift.sequential import Detector, ErrorReference, make_detector
from ray_pipeline.errors import UsageError

WELL_KNOWN = ErrorReference(0.2, 0.16, rows=1_000_000)
NAMES = ("cusum", "dummy", "river.drift.ADWIN", "river.drift.PageHinkley", "river.drift.binary.DDM")


def stream(seed: int = 1, before: int = 3000, after: int = 3000) -> Any:
    rates = np.repeat([0.2, 0.45], [before, after])
    return (np.random.default_rng(seed).random(before + after) < rates).astype(float)


@pytest.mark.parametrize("name", NAMES)
@given(cuts=st.lists(st.integers(0, 6000), max_size=8))
@settings(max_examples=20, deadline=None)
def test_how_labels_are_split_into_batches_changes_no_alarm(name: str, cuts: list[int]) -> None:
    errors, borders = stream(), [0, *sorted(cuts), 6000]
    whole = make_detector(name, WELL_KNOWN, run_length=1000).alarms(errors)
    detector, found = make_detector(name, WELL_KNOWN, run_length=1000), []
    for start, end in itertools.pairwise(borders):
        for alarm in detector.alarms(errors[start:end]):
            since = None if alarm.since is None else alarm.since + start
            found.append(replace(alarm, index=alarm.index + start, since=since))
    assert tuple(found) == whole
    assert whole


@given(st.lists(st.floats(0, 50), min_size=50, max_size=400), st.integers(0, 400), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_nor_does_it_where_errors_are_any_number_and_a_state_is_carried_over(
    seen: list[float], cut: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    reference = ErrorReference(1.0, 1.0, rows=500, design=3.7)
    errors = np.concatenate([seen, rng.exponential(1.5, 2000)])
    whole = Cusum(reference, run_length=500, both=True).alarms(errors)
    first, second = (Cusum(reference, run_length=500, both=True) for _ in range(2))
    early = [one.index for one in first.alarms(errors[:cut])]
    second.resume(first.snapshot())
    late = [one.index + cut for one in second.alarms(errors[cut:])]
    assert early + late == [one.index for one in whole]


@pytest.mark.parametrize("name", NAMES)
def test_update_tells_the_first_alarm_and_the_state_survives_pickling(name: str) -> None:
    errors = stream()
    errors[:3000] = np.arange(3000) % 5 == 0
    detector, other = (make_detector(name, WELL_KNOWN, run_length=5000) for _ in range(2))
    first = detector.update(errors)
    assert first is not None and first >= 3000
    assert other.update(errors[:3000]) is None
    if name == "cusum" or name == "dummy":
        other = pickle.loads(pickle.dumps(other))
    assert other.update(errors[3000:]) == first - 3000
    detector.reset()
    assert detector.update(errors) == first


def test_an_alarm_says_since_when_and_how_much() -> None:
    errors = stream(seed=4)
    alarm = Cusum(WELL_KNOWN, run_length=10_000).alarms(errors)[0]
    assert alarm.since is not None and alarm.mean is not None
    assert 2900 < alarm.since <= alarm.index < 3100
    assert 0.3 < alarm.mean < 0.9


def test_the_stated_run_length_is_kept() -> None:
    errors = np.random.default_rng(12).random(3_000_000) < 0.2
    alarms = Cusum(WELL_KNOWN, run_length=10_000).alarms(errors)
    assert 0.8 * 10_000 <= len(errors) / len(alarms) <= 1.6 * 10_000


def test_it_is_kept_for_long_runs_that_are_not_simulated_in_full() -> None:
    errors = np.random.default_rng(13).random(3_000_000) < 0.2
    alarms = Cusum(WELL_KNOWN, run_length=100_000).alarms(errors)
    assert 0.8 * 100_000 <= len(errors) / len(alarms) <= 2.5 * 100_000


def test_it_is_kept_on_average_where_few_rows_are_the_reference() -> None:
    """The share of references with an alarm in so many labels is at most that of runs of such length, 1 − 1/e."""
    alarmed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        reference = ErrorReference.of(rng.random(300) < 0.2)
        alarmed += Cusum(reference, run_length=1000).update(rng.random(1000) < 0.2) is not None
    assert alarmed / 40 <= 0.632 + 1.645 * np.sqrt(0.632 * 0.368 / 40)


@pytest.mark.parametrize("kept", [True, False], ids=["with-values", "mean-and-variance-only"])
def test_it_is_kept_for_log_loss_which_has_a_long_tail(kept: bool) -> None:
    rng = np.random.default_rng(5)

    def losses(rows: int) -> Any:
        said = rng.beta(1, 4, rows)
        return -np.log(np.where(rng.random(rows) < said, said, 1 - said))

    held_out = losses(200_000)
    reference = ErrorReference.of(held_out)
    if not kept:
        reference = ErrorReference(float(held_out.mean()), float(held_out.var()), len(held_out))
    alarms = Cusum(reference, run_length=2000).alarms(losses(600_000))
    assert 600_000 / len(alarms) >= 0.8 * 2000


def test_days_that_depend_on_each_other_do_not_alarm_with_the_design_effect() -> None:
    rng = np.random.default_rng(3)
    days = np.repeat(np.arange(200), 500)
    errors = rng.random(len(days)) < np.clip(0.2 + 0.07 * rng.standard_normal(200), 0, 1)[days]
    early, late = days < 100, days >= 100
    careful = ErrorReference.of(errors[early], days=days[early])
    hasty = ErrorReference.of(errors[early])
    assert 8 < careful.design < 35
    assert len(Cusum(careful, run_length=10_000).alarms(errors[late])) <= 5 + 3
    assert len(Cusum(hasty, run_length=10_000).alarms(errors[late])) > 50
    worse = rng.random(15_000) < 0.35
    assert Cusum(careful, run_length=10_000).update(worse) is not None


def test_independent_rows_have_a_design_effect_near_one() -> None:
    rng = np.random.default_rng(7)
    errors = rng.random(50_000)
    assert 1 <= design_effect(errors, np.repeat([f"2013-01-{day:02}" for day in range(1, 26)], 2000)) < 2


def test_a_stream_of_equal_errors_is_silent_and_one_of_many_is_not() -> None:
    for name in ("cusum", "river.drift.ADWIN"):
        assert make_detector(name, WELL_KNOWN, run_length=10_000).update(np.zeros(20_000)) is None
    for rate in (0.0, 0.01):
        reference = ErrorReference.of(np.arange(1000) < 1000 * rate)
        assert Cusum(reference, run_length=1000).update(np.arange(3000) % 10 == 0) is not None
        assert Cusum(reference, run_length=1000).update(np.zeros(3000)) is None


def test_fewer_errors_alarm_only_where_both_directions_are_asked_for() -> None:
    fewer = np.random.default_rng(2).random(4000) < 0.05
    assert make_detector("cusum", WELL_KNOWN, run_length=1000).update(fewer) is None
    assert make_detector("cusum", WELL_KNOWN, run_length=1000, both=True).update(fewer) is not None


def test_one_absurd_error_is_no_drift() -> None:
    rng = np.random.default_rng(9)
    reference = ErrorReference.of(rng.exponential(1.0, 5000))
    errors = rng.exponential(1.0, 500)
    errors[250], errors[400] = 1e12, np.inf
    assert Cusum(reference, run_length=10_000).update(errors) is None


def test_a_million_labels_a_second_are_read() -> None:
    from tests.bench.drift_sequential import speed

    assert max(speed(500_000) for _ in range(3)) > 1e6


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_error_is_refused_by_its_place(name: str) -> None:
    detector: Detector = make_detector(name, WELL_KNOWN, run_length=1000)
    with pytest.raises(ValueError, match=r"errors\[2\] is not a number; leave out rows"):
        detector.update(np.array([0.0, 1.0, np.nan]))
    with pytest.raises(ValueError, match="2 dimensions"):
        detector.update(np.zeros((3, 2)))
    assert detector.update(np.zeros(0)) is None


def test_errors_of_another_kind_than_the_reference_are_refused() -> None:
    with pytest.raises(ValueError, match=r"errors\[1\] is not between 0 and 1"):
        make_detector("cusum", WELL_KNOWN, run_length=1000).update([0, 7])
    with pytest.raises(ValueError, match=r"errors\[1\] is not 0 or 1, as river.drift.binary.DDM needs"):
        make_detector("river.drift.binary.DDM", WELL_KNOWN, run_length=1000).update([0, 0.5])
    with pytest.raises(UsageError, match="takes errors of 0 and 1"):
        make_detector("river.drift.binary.DDM", ErrorReference(2.0, 1.0, 100), run_length=1000)
    with pytest.raises(ValueError, match=r"errors\[0\] is not finite"):
        make_detector("river.drift.ADWIN", WELL_KNOWN, run_length=1000).update([np.inf])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("adwin", "there is no detector adwin; there are cusum, dummy, and river's"),
        ("river.drift.Adwin", "river.drift.Adwin is no drift detector of river; name one by its path"),
        ("river.nowhere.ADWIN", "is no drift detector of river"),
        ("river.stats.Mean", "is no drift detector of river"),
        ("river.drift.DriftRetrainingClassifier", "is no drift detector of river"),
        ("river.", "is no drift detector of river"),
    ],
)
def test_what_is_no_detector_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make_detector(name, WELL_KNOWN, run_length=1000)


def test_options_are_rivers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = make_detector("river.drift.ADWIN", WELL_KNOWN, run_length=1000, options={"delta": 0.5, "clock": 1})
    assert detector.update(stream()) is not None
    with pytest.raises(UsageError, match="does not take the options"):
        make_detector("river.drift.ADWIN", WELL_KNOWN, run_length=1000, options={"speed": 1})


def test_without_river_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    river_detectors = importlib.import_module("ray_pipeline.drift.river_detectors")
    monkeypatch.setattr(river_detectors, "import_module", absent)
    with pytest.raises(UsageError, match=r"run `pip install 'ray-pipeline\[river\]'`, or choose the detector `cusum`"):
        make_detector("river.drift.ADWIN", WELL_KNOWN, run_length=1000)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: ErrorReference(0.2, 0.16, rows=0), "it needs rows, and has 0"),
        (lambda: ErrorReference.of([]), "it needs rows, and has 0"),
        (lambda: ErrorReference(float("nan"), 0.1, rows=9), "must be finite"),
        (lambda: ErrorReference(3.0, 0.0, rows=9), "all errors are 3: nothing is known of how they vary"),
        (lambda: ErrorReference.of(np.full(50, 2.5)), "of no use"),
        (lambda: ErrorReference(3.0, -1.0, rows=9), "no variance is -1"),
        (lambda: ErrorReference(0.2, 0.16, rows=9, design=0.5), "a design effect of 0.5"),
        (lambda: ErrorReference(1.0, 1.0, rows=9, values=(2.0, 1.0)), "do not ascend"),
        (lambda: ErrorReference.of([0, 1, 1], days=["a", "a"]), "3 errors and 2 days"),
        (lambda: ErrorReference.of([0, 1, 1], days=["a"] * 3), "errors of one day"),
        (lambda: ErrorReference.of([0, 1, None]), r"errors\[2\] is not a number"),
    ],
)
def test_a_reference_of_no_use_is_refused(made: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        made()


def test_a_run_length_is_a_number_of_labels() -> None:
    with pytest.raises(UsageError, match="a run length is a number of labels"):
        make_detector("cusum", WELL_KNOWN, run_length=float("nan"))
    with pytest.raises(ValueError, match="this state is of another detector"):
        Cusum(WELL_KNOWN, run_length=1000, both=True).resume(Cusum(WELL_KNOWN, run_length=1000).snapshot())
