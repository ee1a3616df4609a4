"""``ray-pipeline train``: what it prints, what it passes on, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.errors import TrainingError, UsageError
from ray_pipeline.runtime.jobs import train as job
from ray_pipeline.runtime.jobs.train_report import TrainReport
from ray_pipeline.runtime.jobs.train_task import TrainingLostError
from ray_pipeline.runtime.models.aliases import AliasMove
from tests.unit.models.versions import MANIFEST

from .conftest import CONFIG, CONTRACT, Run

METRICS = {
    "rows": 200,
    "auc": {"value": 0.7123, "low": 0.69, "high": 0.7312},
    "log_loss": {"value": 0.5, "low": None, "high": None},
    "brier": {"value": 0.15, "low": 0.14, "high": 0.16},
    "ece": {"value": 0.02, "low": 0.01, "high": 0.03},
    "base_rate": {"value": 0.2, "low": 0.15, "high": 0.25},
}
UNDEFINED = {**METRICS, "auc": {"value": None, "low": None, "high": None}, "calibrated_on": True}
VERSION = replace(MANIFEST, number=3, metrics={"validation": UNDEFINED, "test": METRICS})
MOVE = AliasMove(5, "challenger", 3, 2, "train", "ann", "2013-03-01T06:00:00Z", "trained", None, "00")
REPORT = TrainReport(
    version=VERSION,
    created=True,
    moves=(MOVE,),
    champion=1,
    training_set="late_arrival/abc-1",
    training_set_created=False,
    rows={"train": 1000, "validation": 100, "test": 200},
    page="/lake/page.html",
    started_at="2013-03-01T06:00:00Z",
    finished_at="2013-03-01T06:00:20Z",
    notices=("gust is null in every row of the fit split \x1b[31m",),
    seconds={"fit": 12.34567},
)


class Trained:
    """Stands for the job: what it was asked, and what becomes of it."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.result: TrainReport | Exception = REPORT

    def __call__(self, _config: object, spec: Path, **options: Any) -> TrainReport:
        self.asked = {"spec": spec, **options}
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trained:
    (tmp_path / "orders.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "shop.yaml").write_text(CONFIG)
    monkeypatch.setenv("RAY_PIPELINE_CONFIG", str(tmp_path / "shop.yaml"))
    stand_in = Trained()
    monkeypatch.setattr(job, "train", stand_in)
    return stand_in


def test_it_prints_what_was_trained_how_good_it_is_and_what_to_do_next(run: Run, trained: Trained) -> None:
    said = run("train", "late.yaml")
    assert said.code == 0
    assert "late/3" in said.lines[0]
    assert "late_arrival/abc-1 (found again): 1,000 train, 100 validation, 200 test" in said.lines[1]
    assert any("AUC" in line and "0.712 [0.690, 0.731]" in line and "–" in line for line in said.lines)
    assert any(line.split() == ["log", "loss", "0.500", "0.500"] for line in said.lines)
    assert "challenger    late/3, before it late/2" in said.lines
    assert "champion      late/1, as before" in said.lines
    assert "page          /lake/page.html" in said.lines
    assert said.lines[-2:] == [
        "compare it    ray-pipeline model compare late champion 3",
        "promote it    ray-pipeline model promote late 3 --reason WHY",
    ]
    assert "\x1b" not in said.out


def test_what_was_asked_is_passed_on(run: Run, trained: Trained) -> None:
    options = ("--promote", "--reason", "spring", "--who", "ann", "--timeout", "60", "--ray-address", "ray:6379")
    assert run("train", "late.yaml", *options).code == 0
    trained.asked.pop("on_message")
    assert trained.asked == {
        "spec": Path("late.yaml"),
        "promote": True,
        "reason": "spring",
        "who": "ann",
        "timeout": 60.0,
        "ray_address": "ray:6379",
    }


def test_as_json_it_is_one_object_with_the_whole_manifest(run: Run, trained: Trained) -> None:
    document = run("train", "late.yaml", "--output", "json").json
    assert (document["version"]["number"], document["created"], document["champion"]) == (3, True, 1)
    assert document["moves"] == [MOVE.to_json()]
    assert document["seconds"] == {"fit": 12.346}
    assert document["outcome"] == "held"


def test_a_version_that_was_there_is_said_to_be_there(run: Run, trained: Trained) -> None:
    trained.result = replace(REPORT, created=False, moves=(), champion=3)
    said = run("train", "late.yaml")
    assert said.code == 0
    assert "it is there already" in said.lines[0]
    assert "champion      late/3, as before" in said.lines
    assert not any("promote it" in line for line in said.lines)


def test_the_first_version_is_compared_with_nobody(run: Run, trained: Trained) -> None:
    trained.result = replace(REPORT, champion=None, moves=(replace(MOVE, previous=None),))
    said = run("train", "late.yaml")
    assert "challenger    late/3, before it nobody" in said.lines
    assert "champion      nobody yet" in said.lines
    assert not any("compare it" in line for line in said.lines)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (TrainingError("late", "every one of the 9 labels of split train is false"), 1, "is false"),
        (TrainingLostError("late", "the process of the fit died"), 3, "the process of the fit died"),
        (UsageError("there is no file"), 2, "there is no file"),
    ],
)
def test_what_went_wrong_is_one_sentence_with_its_exit_code(
    run: Run, trained: Trained, error: Exception, code: int, sentence: str
) -> None:
    trained.result = error
    said = run("train", "late.yaml")
    assert said.code == code
    assert said.out == ""
    assert sentence in said.err
    assert said.err.startswith("ray-pipeline: error: ")
    assert "Traceback" not in said.err


def test_a_notebook_shows_the_metrics_and_escapes_what_is_foreign() -> None:
    html = replace(REPORT, page="/lake/<b>.html")._repr_html_()
    assert "0.712 [0.690, 0.731]" in html
    assert "&lt;b&gt;" in html
    assert repr(REPORT) == "<TrainReport late/3, new>"
