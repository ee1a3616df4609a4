"""What ``features show`` and ``build`` tell: freshness, reach, distributions, and codes that a schedule can act on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ray_pipeline.cli import features_build as verbs
from ray_pipeline.features.aggregates import count
from ray_pipeline.runtime.features.show import show_features
from ray_pipeline.testing.clock import FrozenClock
from tests.feature_shop import FeatureShop, moment


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureShop:
    shop = FeatureShop(tmp_path)
    repo: Any = type("Repo", (), {"views": shop.views})
    monkeypatch.setattr("ray_pipeline.connectors.feast.repo.load_repo", lambda _config: repo)
    return shop


def test_a_view_is_shown_before_and_after_it_is_built_and_when_it_is_behind(shop: FeatureShop) -> None:
    clock = FrozenClock(datetime(2026, 3, 10, tzinfo=UTC))
    before = show_features(shop.config, ["last_order"], clock=clock).views[0]
    assert (before.note, before.rows, before.snapshot_id) == ("nothing is curated yet", 0, None)
    shop.place([(i, moment(1 + i // 5, i), f"c{i % 3}") for i in range(10)])
    shop.gated()
    assert show_features(shop.config, ["last_order"]).views[0].note == "not built yet"
    shop.build()
    view = show_features(shop.config, ["last_order"], clock=clock).views[0]
    assert (view.note, view.rows, view.entities, view.days_with_rows, view.coverage) == ("", 10, 3, 2, 1.0)
    assert (view.horizon, view.age_seconds) == ("2026-03-02T09:00:00+00:00", 7.625 * 86_400)
    amount = view.features[0]
    assert (amount.null_share, amount.least, amount.greatest, amount.quantiles["p50"]) == (0.0, 0.0, 0.9, 0.5)
    assert amount.mean == pytest.approx(0.45)
    assert show_features(shop.config, ["last_order"], days=1).views[0].features[0].least == 0.5

    shop.place([(20 + i, moment(4, i), "c1") for i in range(5)])
    shop.gated()
    behind = show_features(shop.config, ["last_order"]).views[0]
    assert (behind.curated_rows_behind, behind.note) == (5, "curated rows are not in it yet; build again")
    shop.views = shop.compiled(more=count("amount"))
    other = show_features(shop.config, ["customer_day"], compiled=shop.views).views[0]
    assert other.note == "built from another definition; the next build makes it anew"
    assert other.features[-1].null_share == 1.0


def test_the_verbs_print_text_and_json_and_exit_by_what_was_found(shop: FeatureShop) -> None:
    app = typer.Typer()
    for verb in (verbs.build, verbs.backfill, verbs.show):
        app.command()(verb)
    shop.place([(i, moment(1 + i // 5, i), f"c{i % 3}") for i in range(10)])
    shop.gated()

    def ask(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, "--config", str(shop.file)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "customer_day: 3 days (2026-03-01 to 2026-03-03), 10 events" in ask("build")
    told = json.loads(ask("backfill", "last_order", "--from", "2026-03-02", "-o", "json"))
    assert [(view["view"], view["result"], view["days"]) for view in told["views"]] == [("last_order", "unchanged", 1)]
    assert "entities      3 since 2026-03-01" in ask("show", "last_order")
    assert json.loads(ask("show", "-o", "json"))["views"][2]["rows"] == 10
    assert CliRunner().invoke(app, ["backfill", "--from", "yesterday"]).exit_code == 2
