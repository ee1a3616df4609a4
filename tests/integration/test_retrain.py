"""The loop on a real lake: a concept that turns is learned anew, one that stays is not, promotions are watched."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ray_pipeline.cli.retrain import app
from ray_pipeline.clock import WallClock
from ray_pipeline.errors import RetrainError, UsageError
from ray_pipeline.retrain.records import Kind
from ray_pipeline.runtime.jobs import train as job
from ray_pipeline.runtime.retrain.lease import Leases
from ray_pipeline.runtime.retrain.report import explain, loop_log, loop_status
from ray_pipeline.runtime.retrain.step import retrain_step
from ray_pipeline.types import Outcome
from tests.retrain_lake import MODEL, RetrainLake, day

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
TURNED = range(16, 80)
RUN = ["armed", "triggered", "training", "trained", "judged"]


@pytest.fixture(scope="module", autouse=True)
def _shipped(local_ray: None) -> Iterator[None]:
    """The workers cannot import this file: its functions travel by value."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def kinds(entries: Any) -> list[str]:
    return [one.kind for one in entries]


def ask(lake: RetrainLake, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, [*words, "--config", str(lake.file)])
    return found.exit_code, found.stdout


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> RetrainLake:
    """A champion of two weeks; then the concept turns, and its answers of the last days are labelled."""
    lake = RetrainLake(tmp_path_factory.mktemp("turned"))
    lake.live(range(36), turned=TURNED)
    lake.prepare()
    lake.crown()
    lake.answer(27, 36)
    return lake


def test_a_turned_concept_is_noticed_learned_promoted_watched_and_told(turned: RetrainLake) -> None:
    lake = turned
    dry = retrain_step(lake.config, now=day(36), dry_run=True)
    assert (dry.decision.action, dry.decision.signal, dry.entries) == ("arm", "labels", ())
    assert loop_log(lake.config).entries == ()

    report = retrain_step(lake.config, now=day(36), who="ann")
    assert kinds(report.entries) == [*RUN, "promoted"]
    assert (lake.champion(), report.outcome) == (2, Outcome.HELD)
    entry = {one.kind: one for one in report.entries}
    signal_ = entry["armed"].evidence["signal"]
    assert signal_["low"] > 0.02
    assert signal_["rows"] == signal_["days"] * 48
    splits = entry["trained"].evidence["splits"]
    assert [one["name"] for one in splits] == ["train", "validation", "test"]
    assert [one["from"] for one in splits] == ["2026-03-17T00:00:00Z", "2026-03-26T00:00:00Z", "2026-03-29T00:00:00Z"]
    assert splits[-1]["to"] == "2026-04-05T00:00:00Z"
    judgement = entry["judged"].evidence["judgement"]
    assert judgement["win"] is True
    assert judgement["bound"] < 0
    assert judgement["rows"] == splits[-1]["rows"]
    assert judgement["second"]["auc"] > 0.7 > 0.4 > judgement["first"]["auc"]
    move = lake.registry.history(MODEL)[-1]
    assert (move.kind, move.version, move.previous, move.who) == ("promote", 2, 1, "ann")
    assert move.evidence is not None
    assert move.evidence["judgement"] == judgement
    assert move.evidence["run"] == entry["triggered"].run

    # No label that was published after T − w is fitted to or calibrated on.
    from ray_pipeline.runtime.training_sets import open_training_set

    data = open_training_set(lake.config, lake.store, entry["trained"].evidence["training_set"])
    rows = data.table().to_pylist()
    assert max(one["label_known_at"] for one in rows if one["split"] != "test") < day(28)
    assert max(one["label_known_at"] for one in rows) <= day(36)

    # Told as a log, as sentences, and to programs.
    code, text = ask(lake, "log")
    assert code == 0
    assert len(text.splitlines()) == 7
    for which in (entry["triggered"].run or "", f"{MODEL}/2"):
        code, text = ask(lake, "explain", which)
        assert code == 0
        assert "log loss: sent_back/1" in text
        assert f"training set {entry['trained'].evidence['training_set']}" in text
    assert len(explain(lake.config, "5").entries) == 1
    with pytest.raises(UsageError, match="is no run, entry or version"):
        explain(lake.config, "nonsense")
    code, text = ask(lake, "status", "--output", "json")
    status = json.loads(text)
    assert (code, status["champion"], status["watch"]["before"]) == (0, 2, 1)
    assert "<table>" in loop_status(lake.config)._repr_html_()
    assert "<table>" in report._repr_html_()
    assert "<table>" in loop_log(lake.config)._repr_html_()

    # The step once more changes nothing; a clock that was set back neither.
    again = retrain_step(lake.config, now=day(36))
    assert (again.entries, again.decision.action) == ((), "wait")
    assert retrain_step(lake.config, now=day(2)).entries == ()

    # The concept turns back at once: the version before does better, and answers again.
    lake.live(range(36, 45))
    lake.prepare()
    after = retrain_step(lake.config, now=day(44))
    assert kinds(after.entries)[:2] == ["watched", "rolled_back"]
    assert (lake.champion(), after.outcome) == (1, Outcome.BROKEN)
    assert lake.registry.history(MODEL)[-1].kind == "rollback"
    code, text = ask(lake, "explain", f"{MODEL}/2")
    assert "rolled back" in text


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> RetrainLake:
    lake = RetrainLake(tmp_path_factory.mktemp("steady"), {"deadline_days": 20})
    lake.live(range(36))
    lake.prepare()
    lake.crown()
    return lake


def test_what_is_no_better_is_refused_and_a_training_that_dies_is_a_failure(
    steady: RetrainLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = steady
    code, text = ask(lake, "run", "--at", "2026-03-20T00:00:00Z")
    assert (code, loop_log(lake.config).entries) == (0, ())
    assert "sent_back/1 has no answer" in text

    with monkeypatch.context() as patched:
        patched.setattr(job, "fit_model", die)
        died = retrain_step(lake.config, now=day(35))
    assert kinds(died.entries) == ["armed", "triggered", "training", "failed"]
    assert "the process of the fit died" in died.entries[-1].reason
    assert (died.outcome, lake.champion(), lake.registry.versions(MODEL)) == (Outcome.BROKEN, 1, (1,))

    waiting = retrain_step(lake.config, now=day(36))
    assert kinds(waiting.entries) == ["armed", "waiting"]
    assert waiting.entries[-1].code == "cooldown"

    hurried = lake.with_policy(cooldown_days=0, weekly_budget=9, timeout_seconds=1, min_new_labels=0)
    with monkeypatch.context() as patched:
        patched.setattr(job, "fit_model", hang)
        hung = retrain_step(hurried, now=day(36))
    assert kinds(hung.entries)[-1] == "failed"
    assert "within 1 s" in hung.entries[-1].reason

    calm = lake.with_policy(cooldown_days=0, weekly_budget=9, min_new_labels=0)
    refused = retrain_step(calm, now=day(37))
    assert kinds(refused.entries) == [*RUN, "refused"]
    judgement = refused.entries[-2].evidence["judgement"]
    assert judgement["enough"] is True
    assert judgement["bound"] >= 0
    assert (refused.outcome, lake.champion()) == (Outcome.HELD, 1)
    assert Kind.PROMOTED not in kinds(loop_log(lake.config).entries)
    assert retrain_step(calm, now=day(50)).entries == ()


def test_a_held_day_stops_everything(steady: RetrainLake) -> None:
    lake = steady
    lake.land("orders", [{"order_id": "x1", "customer_id": "c1", "placed_at": "2026-04-20T00:00:00Z", "amount": 1.0}])
    lake.prepare()
    found = retrain_step(lake.config, now=day(90), dry_run=True)
    assert found.decision.action == "arm"
    leases = Leases(lake.store, lake.config.pipeline, MODEL, clock=WallClock(), seconds=60.0)
    lease = leases.take("somebody else")
    with pytest.raises(RetrainError, match="somebody else works on it"):
        retrain_step(lake.config, now=day(90))
    leases.release(lease)
    written = retrain_step(lake.config, now=day(90))
    assert written.entries[-1].code == "gate red"
    assert "orders has 1 day held back (2026-04-20)" in written.entries[-1].reason


def test_it_is_said_what_is_missing(steady: RetrainLake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"retrain\.spec is not in the configuration"):
        retrain_step(steady.with_policy(spec=None))
    with pytest.raises(UsageError, match="is in the future"):
        retrain_step(steady.config, now=day(40_000))
    bare = RetrainLake(tmp_path)
    nobody = retrain_step(bare.config, now=day(30))
    assert (nobody.outcome, nobody.decision.code) == (Outcome.UNKNOWN, "no champion")
    assert ask(bare, "--dry-run")[0] == 3
    assert ask(bare)[0] == 2


def die(_order: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(_order: object) -> None:
    time.sleep(600)
