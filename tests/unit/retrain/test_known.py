"""What counts as known by a moment, as new, and as unseen: to the microsecond."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from ray_pipeline.features.definition import LabelDefinition
from ray_pipeline.runtime.retrain import answers
from ray_pipeline.runtime.retrain.answers import Labels
from ray_pipeline.runtime.retrain.observe import trained_us
from ray_pipeline.runtime.retrain.scoring import Scorer
from tests.unit.models.versions import MANIFEST

START = datetime(2013, 6, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
US = timedelta(microseconds=1)
LATE = LabelDefinition(
    name="late",
    requests="departures",
    keys={"origin": "origin"},
    asked_at=pl.col("due"),
    outcomes="arrivals",
    on="flight",
    label=pl.col("delay") > 15,
)


def outcomes(*rows: tuple[str | None, int | None, datetime]) -> pa.Table:
    """Landed outcomes: flight, delay, publication."""
    made = [
        {"flight": flight, "delay": delay, "_timestamp": at, "_partition": 0, "_offset": place}
        for place, (flight, delay, at) in enumerate(rows)
    ]
    types = {"flight": pa.string(), "delay": pa.int64(), "_timestamp": pa.timestamp("us", "UTC")}
    return pa.Table.from_pylist(made, pa.schema([*types.items(), ("_partition", pa.int32()), ("_offset", pa.int64())]))


def known(monkeypatch: pytest.MonkeyPatch, table: pa.Table, now_us: int = START_US) -> Labels:
    def read(_config: Any, _dataset: str, _columns: Any, chosen: Any) -> pa.Table:
        return chosen(table)

    monkeypatch.setattr(answers, "read_landed", read)
    config: Any = None
    return Labels.read(config, LATE, now_us)


def test_an_outcome_is_known_from_the_microsecond_of_its_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    table = outcomes(("at", 1, START), ("after", 1, START + US), ("before", 1, START - US))
    assert known(monkeypatch, table).outcomes["flight"].to_list() == ["at", "before"]
    assert known(monkeypatch, table, START_US + 1).outcomes.height == 3


def test_labels_are_new_once_their_first_publication_is_past_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    found = known(
        monkeypatch,
        outcomes(
            ("at", 1, START - 2 * US),
            ("new", 1, START - US),
            ("new", 20, START),  # again: not another label
            ("corrected", 1, START - timedelta(days=1)),
            ("corrected", 20, START),  # known to the training
            ("unlabelled", None, START),
            (None, 5, START),
        ),
    )
    assert found.published_after(START_US - 2) == 1
    assert found.published_after(START_US - 3) == 2
    assert found.published_after(None) == 3


def test_rows_that_either_version_was_fitted_to_or_calibrated_on_judge_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(number: int, *ends: str) -> Any:
        splits = [{"name": name, "from": "2013-01-01T00:00:00Z", "to": end} for name, end in zip("abc", ends)]  # noqa: B905
        return replace(
            MANIFEST, number=number, spec={"splits": {"fit": "a", "calibrate": "b"}}, training={"splits": splits}
        )

    moments = [START + timedelta(days=day) for day in range(6)]
    rows = pl.DataFrame(
        {
            "flight": [f"f{day}" for day in range(6)],
            "asked_at": [int(one.timestamp()) * 1_000_000 for one in moments],
            "label": [True] * 6,
            "split": ["x", *"yyyyy"],
            "probability": [0.5] * 6,
        }
    )
    monkeypatch.setattr(Scorer, "_asked", lambda _self, one, _data, _key: (rows, one.shown))
    nothing: Any = None
    data: Any = SimpleNamespace(manifest={"spec": {"labels": MANIFEST.label_set}, "label_key": "flight"})
    scorer = Scorer(nothing, nothing, None, None, print)
    old = version(1, "2013-05-01T00:00:00Z", "2013-06-02T00:00:00Z", "2013-06-09T00:00:00Z")
    new = version(2, "2013-06-03T00:00:00Z", "2013-06-04T00:00:00Z")
    for pair in ((old, new), (new, old)):
        found = scorer.both(*pair, data, None)
        assert (found.asked_us.tolist(), found.seen) == (rows["asked_at"].to_list()[3:], 3)
    assert scorer.both(old, old, data, "y").seen == 0
    assert scorer.both(old, old, data, "x").seen == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"labels_by": "2013-06-01T00:00:00Z", "to": "2013-05-01T00:00:00Z"}, START_US),
        ({"to": "2013-06-01T00:00:00Z"}, START_US),
        ({}, START_US - 86_400_000_000),
    ],
)
def test_a_version_knows_labels_up_to_where_its_training_set_took_them(spec: dict[str, str], said: int) -> None:
    splits = [{"name": "fit", "from": "2013-01-01T00:00:00Z", "to": "2013-05-31T00:00:00Z"}]
    manifest = replace(MANIFEST, spec={"splits": {"fit": "fit"}}, training={"spec": spec, "splits": splits})
    assert trained_us(manifest) == said
