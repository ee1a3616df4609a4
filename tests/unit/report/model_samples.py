"""A model version as training makes it, small enough to read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ray_pipeline.drift.baseline import Baseline, make_baseline
from ray_pipeline.model.columns import ColumnKind, ModelColumn
from ray_pipeline.model.manifest import FileFact, ModelManifest, TrainedView
from ray_pipeline.model.metrics import measure

ROWS = 1200
DAYS = np.datetime64("2013-02-05") + np.arange(ROWS) // 60
HELD_OUT = np.arange(ROWS) >= 800


def baseline(names: tuple[str, ...] = ("delay", "holiday", "carrier", "landed_at", "nothing")) -> Baseline:
    rng = np.random.default_rng(3)
    delay, holiday, carrier, landed, nothing = names
    columns: dict[str, tuple[str, Any]] = {
        delay: ("number", [None, *rng.normal(10, 30, ROWS - 1)]),
        holiday: ("flag", rng.random(ROWS) < 0.1),
        carrier: ("category", [f"{index % 9}{carrier}" for index in range(ROWS)]),
        landed: ("number", rng.exponential(100, ROWS)),
        nothing: ("number", np.full(ROWS, np.nan)),
    }
    return make_baseline(
        columns,
        DAYS,
        fit_mask=~HELD_OUT,
        scores=probabilities()[HELD_OUT],
        score_days=DAYS[HELD_OUT],
        splits=("train", "test"),
        score_splits=("test",),
    )


def probabilities() -> Any:
    return np.random.default_rng(5).beta(2, 6, ROWS)


def manifest(text: str = "late_arrival", *, skill: bool = True, **changes: Any) -> ModelManifest:
    """A version; ``text`` stands in every place that somebody outside may fill."""
    said = probabilities()[HELD_OUT]
    rng = np.random.default_rng(8)
    labels = rng.random(len(said)) < (said if skill else 0.2)
    metrics = measure(labels, said, DAYS[HELD_OUT], 50)
    other = replace(metrics, calibrated_on=True)
    names = [("delay", ColumnKind.NUMBER), ("holiday", ColumnKind.FLAG), ("carrier", ColumnKind.CATEGORY),
             ("landed_at", ColumnKind.MOMENT), ("nothing", ColumnKind.NUMBER)]  # fmt: skip
    prefix = "" if text == "late_arrival" else text
    columns = tuple(
        ModelColumn(prefix + name, kind, ("AA", prefix + "UA") if kind is ColumnKind.CATEGORY else ())
        for name, kind in names
    )
    contract = {"id": text, "version": "1.0.0", "digest": "d" * 64}
    offsets = [{"partition": 0, "first": 0, "last": 4351}]
    made = ModelManifest(
        name=text,
        number=3,
        created_at="2013-02-25T06:00:00Z",
        created_by=text,
        estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        parameters={"learning_rate": 0.06, text: [None, text]},
        seed=2013,
        columns=columns,
        calibrator={"kind": "sigmoid", "slope": 1.0, "intercept": 0.0},
        service=text,
        views=(TrainedView(text, "route_last_24h", "ab" * 32, 8_111_222_333_444_555_666),),
        request="calendar",
        request_definition="c" * 64,
        label_set=text,
        label_key="flight_id",
        training={
            "name": text,
            "version": "fb093399c69e416d3f15-72ee939ab8b6",
            "content_hash": "c" * 64,
            "sha256": "e" * 64,
            "rows": ROWS,
            "splits": [
                {"name": "train", "from": "2013-02-05T05:00:00Z", "to": "2013-02-18T05:00:00Z", "rows": 800,
                 "label_rate": 0.2269},
                {"name": "test", "from": "2013-02-18T05:00:00Z", "to": "2013-02-25T05:00:00Z", "rows": 400,
                 "label_rate": None},
            ],
            "excluded": {"diverted": 1, "cancelled": 1084, text: 2},
            "curated": {text: {"snapshot": 3_292_397_526_717_542_965, "decision": 0, "contract": contract,
                               "rows": 16_537, "offsets": offsets}},
            "views": [{"name": text, "dataset": text, "offsets": offsets,
                       "statuses": {"NOT_FOUND": 300, "PRESENT": 900}}],
            "spec": {},
        },
        metrics={"validation": other.to_json(), "test": metrics.to_json()},
        importance=tuple(
            {"name": column.name, "drop": 0.02 - 0.01 * place, "low": 0.01 - 0.01 * place, "high": 0.03 - 0.01 * place}
            for place, column in enumerate(columns)
        ),
        predictions_sha256="f" * 64,
        files={"model.skops": FileFact("a" * 64, 418_210), text: FileFact("b" * 64, 1)},
        types=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", text),
        code={"ray-pipeline": "0.1.0", "scikit-learn": text},
        spec={"splits": {"fit": "train", "calibrate": "validation", "test": "test"}},
    )  # fmt: skip
    return replace(made, **changes)
