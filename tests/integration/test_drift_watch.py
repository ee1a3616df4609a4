"""Windows that close on a real lake: each once, by the same numbers whoever counts, and never again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ray_pipeline.cli.drift import app
from ray_pipeline.cli.errors import exit_codes
from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.errors import BaselineError, FileCorruptError, UsageError
from ray_pipeline.runtime.drift.baselines import BaselineLog, WatchedBaseline, dataset_baseline
from ray_pipeline.runtime.drift.explain import explain
from ray_pipeline.runtime.drift.log import WindowLog, WindowRecord
from ray_pipeline.runtime.drift.metrics import prometheus
from ray_pipeline.runtime.drift.page import write_page
from ray_pipeline.runtime.drift.status import status
from ray_pipeline.runtime.drift.watch import watch
from ray_pipeline.types import Outcome
from tests.drift_lake import BASE_DAYS, CONTRACT, DATASET, WIDE, DriftLake, day, iso

NOW = datetime(2013, 12, 1, tzinfo=UTC)
MOVED_FROM = BASE_DAYS + 2 * WIDE
END = MOVED_FROM + 2 * WIDE
"""The first day of the window that stays open."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days for the baseline, two windows as usual, and two in which degrees and machines moved."""
    folder = tmp_path_factory.mktemp("plant")
    lake = DriftLake(folder)
    lake.read_days(day(0), BASE_DAYS)
    dataset_baseline(lake.config, DATASET, iso(0), iso(BASE_DAYS), who="tests")
    lake.read_days(day(BASE_DAYS), 2 * WIDE)
    lake.read_days(day(MOVED_FROM), 2 * WIDE + 1, shift=1.5)
    return folder


@pytest.fixture
def lake(made: Path, tmp_path: Path) -> DriftLake:
    """A copy of the lake that a test may add to."""
    shutil.copytree(made / "lake", tmp_path / "lake")
    return DriftLake(tmp_path)


def records(lake: DriftLake) -> tuple[WindowRecord, ...]:
    return WindowLog(lake.store, lake.config.pipeline).read(DATASET)


def bits(found: tuple[WindowRecord, ...]) -> list[dict[str, Any]]:
    return [replace(one, closed_at="").to_json() for one in found]


def with_policy(config: PipelineConfig, **changes: Any) -> PipelineConfig:
    return config.model_copy(update={"drift": config.drift.model_copy(update=changes)})


def test_windows_close_in_order_and_an_alarm_says_since_when_and_what(lake: DriftLake) -> None:
    said: list[str] = []
    found = watch(lake.config, now=NOW, on_message=said.append)
    closed = found.subject(DATASET).closed
    assert [(one.window.first, one.window.until) for one in closed] == [
        (iso(start), iso(start + WIDE)) for start in range(BASE_DAYS, END, WIDE)
    ]
    assert [one.verdict.drift for one in closed] == [False, False, True, True]
    assert found.outcome is Outcome.BROKEN
    last = closed[-1]
    assert last.alarm.fired and last.alarm.since is not None and last.alarm.since.first == iso(MOVED_FROM)
    assert {one.name for one in last.verdict.moved} == {"degrees", "machine"}
    assert len(said) == 4 and "degrees" in said[2] and "ALARM" in said[2]
    assert not {one.name: one.drift for one in last.verdict.columns}["empty"]
    assert found.subject(DATASET).open is not None
    assert str(found.subject(DATASET).open) == f"{iso(END)} to {iso(END + WIDE)}"


@pytest.mark.parametrize("parts", [32, 3])
def test_the_bits_are_the_same_for_any_number_of_readers_and_after_a_restart(
    lake: DriftLake, tmp_path: Path, parts: int
) -> None:
    watch(lake.config, now=NOW)
    one = bits(records(lake))
    shutil.rmtree(lake.store.uri("plant/_drift/readings/windows"))
    watch(lake.config, now=NOW, parts=parts)
    assert bits(records(lake)) == one and len(one) == 4
    folder = Path(lake.store.uri("plant/_drift/readings/windows"))
    for later in sorted(folder.iterdir())[2:]:
        later.unlink()  # killed after the second window
    watch(lake.config, now=NOW, parts=parts)
    assert bits(records(lake)) == one


def test_two_watchers_at_once_leave_one_record_for_each_window(lake: DriftLake) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: watch(lake.config, now=NOW), range(4)))
    windows = [one.window for one in records(lake)]
    assert len(windows) == len(set(windows)) == 4
    assert all(len(one.subject(DATASET).records) == 4 for one in found)
    assert [one.number for one in records(lake)] == [1, 2, 3, 4]


def test_nothing_is_closed_twice_and_a_clock_that_is_set_back_takes_nothing_back(lake: DriftLake) -> None:
    watch(lake.config, now=NOW)
    before = [one.to_json() for one in records(lake)]
    for moment in (NOW, NOW - timedelta(days=300), NOW + timedelta(days=300)):
        assert watch(lake.config, now=moment).closed == ()
    assert [one.to_json() for one in records(lake)] == before


def test_before_event_time_is_past_its_end_a_window_stays_open(lake: DriftLake) -> None:
    early = datetime.fromisoformat(f"{iso(BASE_DAYS + WIDE)}T01:59:00Z")
    assert watch(lake.config, now=early).closed == ()
    standing = watch(lake.config, now=early).subject(DATASET)
    assert standing.outcome is Outcome.UNKNOWN and "its first window is not over yet" in standing.reason
    assert len(watch(lake.config, now=early + timedelta(minutes=1)).closed) == 1


def test_a_partition_that_stands_still_holds_windows_until_it_is_idle(lake: DriftLake) -> None:
    start = END + 1
    lake.clock.advance(7200)
    lake.read_days(day(start), WIDE, partitions=(0,))
    now = lake.clock.now()
    patient, hasty = (with_policy(lake.config, idle_after_seconds=seconds) for seconds in (7201.0, 7200.0))
    assert [one.window.until for one in watch(patient, now=now).closed][-1] == iso(END)
    assert [one.window.until for one in watch(hasty, now=now).closed] == [iso(END + WIDE)]


def test_rows_that_come_after_their_window_was_closed_are_late_and_change_nothing(lake: DriftLake) -> None:
    watch(lake.config, now=NOW)
    before = [one.to_json() for one in records(lake)]
    lake.read_days(day(BASE_DAYS), WIDE, shift=4)
    found = watch(lake.config, now=NOW).subject(DATASET)
    assert (found.closed, found.late_rows, dict(found.late or {})) == ((), 160, {1: 160})
    assert [one.to_json() for one in records(lake)] == before
    assert "160 rows landed after their window was closed" in "\n".join(status(lake.config, now=NOW).as_lines())
    told = explain(lake.config, DATASET, window=iso(BASE_DAYS + 1))
    assert (told.late_rows, told.same_counts) == (160, True)
    lake.read_days(day(END + 1), WIDE)
    assert watch(lake.config, now=NOW).closed[0].late_rows == 160


def test_rows_of_days_before_the_first_window_are_late_too(lake: DriftLake) -> None:
    lake.clock.advance(7200)
    early = with_policy(lake.config, min_blocks=4)
    made = dataset_baseline(early, DATASET, iso(0), iso(END + 3), who="tests", reason="to a day that is to come")
    assert any(f"no row landed of {iso(END + 1)} up to {iso(END + 3)}" in one for one in made.notices)
    lake.read_days(day(END + 4), 2 * WIDE)  # nothing of the day between
    now = lake.clock.now()
    found = watch(early, now=now).subject(DATASET)
    assert (found.series[0].window.first, found.late_rows) == (iso(END + 4), 0)
    lake.read_days(day(END + 3), 1)
    rows = 160 // WIDE
    assert watch(early, now=now).subject(DATASET).late == {0: rows}
    lake.read_days(day(END + 4 + 2 * WIDE), 2 * WIDE)
    assert watch(early, now=lake.clock.now()).closed[0].late_rows == rows


def test_a_new_baseline_begins_a_series_of_its_own(lake: DriftLake) -> None:
    watch(lake.config, now=NOW)
    before = [one.to_json() for one in records(lake)]
    few = with_policy(lake.config, min_blocks=4)
    dataset_baseline(few, DATASET, iso(MOVED_FROM), iso(END), who="tests", reason="new champion")
    after = watch(lake.config, now=NOW).subject(DATASET)
    assert after.outcome is Outcome.UNKNOWN and after.last is None, (
        "what the other baseline said is no alarm of this one"
    )
    lake.read_days(day(END + 1), 2 * WIDE, shift=1.5)
    found = watch(lake.config, now=NOW).subject(DATASET)
    assert [one.baseline for one in found.records] == [1, 1, 1, 1, 2, 2]
    assert [one.to_json() for one in found.records[:4]] == before
    assert found.closed[0].window.first == iso(END)
    assert found.outcome is not Outcome.BROKEN, "it is as usual, now that this is usual"


def test_a_series_begins_with_the_first_rows(lake: DriftLake) -> None:
    log = BaselineLog(lake.store, "plant")
    newest = log.newest(DATASET)
    assert newest is not None
    base = replace(newest.baseline, fit_splits=("told apart",))
    log.add(DATASET, base, first_day=iso(-9), until_day=iso(-5), who="tests", reason="")
    found = watch(lake.config, now=NOW)
    assert found.closed[0].window.first == iso(0)


def test_a_window_of_ten_rows_says_that_it_says_nothing(tmp_path: Path, made: Path) -> None:
    shutil.copytree(made / "lake", tmp_path / "lake")
    lake = DriftLake(tmp_path)
    watch(lake.config, now=NOW)
    lake.read_days(day(END + 2), WIDE - 1, each=6)
    lake.read_days(day(END + 3), WIDE, each=6)
    lake.read_days(day(END + 5), 1)
    found = watch(lake.config, now=NOW).subject(DATASET)
    assert found.closed[-1].verdict.drift is None and found.closed[-1].verdict.rows == 12
    assert "rows" in found.reason
    assert found.outcome is Outcome.BROKEN, "what cannot be told ends no alarm"


def test_a_baseline_of_another_contract_version_is_said(tmp_path: Path, made: Path) -> None:
    shutil.copytree(made / "lake", tmp_path / "lake")
    lake = DriftLake(tmp_path, version="2.0.0", more="\n      - {name: added, logicalType: number}")
    lake.read_days(day(END + 1), WIDE, shift=1.5)
    found = watch(lake.config, now=NOW).subject(DATASET)
    assert len(found.closed) == 5 and found.outcome is Outcome.BROKEN
    assert (
        "the baseline is of contract plant.readings 1.0.0, and rows land under plant.readings 2.0.0" in found.notices[0]
    )


def test_a_damaged_record_is_not_believed(lake: DriftLake) -> None:
    watch(lake.config, now=NOW)
    file = Path(lake.store.uri("plant/_drift/readings/windows/00000002.json"))
    file.write_bytes(file.read_bytes().replace(b'"rows":160', b'"rows":161'))
    with pytest.raises(FileCorruptError, match=r"00000002\.json"):
        watch(lake.config, now=NOW)


def test_explain_names_bins_since_when_and_where_the_rows_are(lake: DriftLake) -> None:
    watch(lake.config, now=NOW)
    found = explain(lake.config, DATASET)
    assert [one.verdict.name for one in found.columns][:1] == ["degrees"]
    machine = next(one for one in found.columns if one.verdict.name == "machine")
    assert machine.since == iso(MOVED_FROM)
    assert (machine.gained[0].label, machine.lost[0].label) == ("saw", "lathe")
    assert machine.gained[0].now == pytest.approx(0.45, abs=0.1)
    assert found.same_counts and sum(one.rows for one in found.files) == found.record.verdict.rows == 160
    assert {one.day for one in found.files} == {iso(MOVED_FROM + WIDE + place) for place in range(WIDE)}
    assert all(Path(one.uri).is_file() for one in found.files)
    text = "\n".join(found.as_lines())
    assert f"degrees: moved, since {iso(MOVED_FROM)}" in text and "ray-pipeline files readings | grep" in text
    quiet = explain(lake.config, DATASET, "dirty", window=iso(BASE_DAYS))
    assert [one.verdict.name for one in quiet.columns] == ["dirty"] and quiet.columns[0].since is None
    with pytest.raises(UsageError, match="no column weight"):
        explain(lake.config, DATASET, "weight")
    with pytest.raises(UsageError, match="2012-05-01"):
        explain(lake.config, DATASET, window="2012-05-01")


def test_metrics_and_the_page_say_the_same_numbers(lake: DriftLake) -> None:
    watch(lake.config, now=NOW)
    found = status(lake.config, now=NOW)
    text = prometheus(found)
    last = found.subjects[0].last
    assert last is not None
    degrees = next(one for one in last.verdict.columns if one.name == "degrees")
    labels = '{pipeline="plant",subject="readings"'
    assert f"ray_pipeline_drift_alarm{labels}}} 1.0" in text
    assert f"ray_pipeline_drift_window_rows{labels}}} 160.0" in text
    assert f'ray_pipeline_drift_effect{{column="degrees",{labels[1:]}}}' in text or "ray_pipeline_drift_effect" in text
    assert str(degrees.effect) in text
    page = write_page(lake.config, now=NOW)
    assert Path(page.uri).read_text("utf-8") == page.html
    assert "Readings is not as at training" in page.html and page.html.count('class="over"') == 2
    assert "<script" not in page.html and "readings" in page._repr_html_()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(lake: DriftLake) -> Run:
    def call(*words: str) -> tuple[int, str]:
        with exit_codes():
            found = CliRunner().invoke(app, [*words, "--config", str(lake.file)], catch_exceptions=True)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            from ray_pipeline.cli.errors import exit_code, message_lines

            return int(exit_code(found.exception)), "\n".join(message_lines(found.exception))
        return found.exit_code, found.output

    return call


def test_the_commands_say_it_and_exit_as_they_should(run: Run, lake: DriftLake, tmp_path: Path) -> None:
    at = ("--at", "2013-12-01T00:00:00Z")
    assert run("status", *at)[0] == 3
    code, said = run("watch", *at)
    assert code == 1 and len(said.splitlines()) == 4
    code, said = run("watch", "--output", "json", *at)
    assert code == 1 and json.loads(said)["subjects"][0]["closed"] == []
    code, said = run("status", "--output", "json", *at)
    found = json.loads(said)
    assert code == 1 and found["subjects"][0]["last"]["alarm"]["since"]["first"] == iso(MOVED_FROM)
    assert run("status", "--metrics", *at)[1].startswith("# HELP ray_pipeline_drift_alarm")
    code, said = run("explain", DATASET, "machine", "--output", "json")
    assert code == 0 and json.loads(said)["columns"][0]["gained"][0]["label"] == "saw"
    code, said = run("report", "--out", str(tmp_path / "page.html"), *at)
    assert code == 1 and said.strip() == str(tmp_path / "page.html") and (tmp_path / "page.html").is_file()
    early = ("--set", "drift.windows=[2, 2]", "--at", f"{iso(BASE_DAYS + WIDE + 1)}T00:00:00Z")
    shutil.rmtree(lake.store.uri("plant/_drift/readings/windows"))
    assert run("watch", *early)[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("watch", "raedings"), 2, "did you mean readings?"),
        (("status", "raedings"), 2, "raedings"),
        (("explain", "raedings"), 2, "raedings"),
        (("explain", DATASET), 3, "no window was closed yet"),
        (("baseline",), 2, "name a dataset"),
        (("baseline", DATASET), 2, "--from DAY"),
        (("baseline", DATASET, "--from", "soon", "--until", "2013-02-01"), 2, "is no day"),
        (("baseline", DATASET, "--from", "2013-02-01", "--until", "2013-01-01"), 2, "is not after"),
        (("baseline", DATASET, "--from", "2012-01-01", "--until", "2012-03-01"), 3, "no row landed"),
        (("baseline", "--model", "champion"), 2, "serve.model names no model"),
        (("watch", "--at", "noon"), 2, "is no ISO time"),
        (("watch", "--every", "5", "--at", "2013-12-01T00:00:00Z"), 2, "always now"),
    ],
)
def test_who_asks_wrongly_is_told(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    found, text = run(*words)
    assert found == code, text
    assert said in " ".join(text.replace("│", " ").split())


def test_without_any_baseline_nothing_can_be_told(tmp_path: Path) -> None:
    lake = DriftLake(tmp_path)
    found = watch(lake.config, now=NOW)
    assert (found.outcome, found.subjects) == (Outcome.UNKNOWN, ())
    assert "`ray-pipeline drift baseline` makes one" in found.as_lines()[0]
    assert watch(lake.config, now=NOW, subjects=[DATASET]).subject(DATASET).reason.startswith("it has no baseline")
    with pytest.raises(BaselineError, match="there is none"):
        explain(lake.config, DATASET)


def test_where_a_contract_says_that_rows_are_independent_they_are_tested_so(tmp_path: Path, made: Path) -> None:
    shutil.copytree(made / "lake", tmp_path / "lake")
    lake = DriftLake(tmp_path)
    text = CONTRACT.format(version="1.0.0", more="")
    said = "customProperties:\n  - {property: rowsIndependent, value: true}"
    (tmp_path / "readings.odcs.yaml").write_text(text.replace("customProperties:", said))
    found = watch(load_config(lake.file), now=NOW)
    assert {one.verdict.null for one in found.closed} == {"rows"}


def test_a_baseline_is_named_by_what_it_is(lake: DriftLake) -> None:
    newest = BaselineLog(lake.store, "plant").newest(DATASET)
    assert isinstance(newest, WatchedBaseline) and newest.baseline.names == (
        "degrees",
        "machine",
        "dirty",
        "empty",
        "same",
    )
