"""A realistic build of a training set, and a realistic training on it."""

from __future__ import annotations

import pyarrow as pa

from ray_pipeline.lineage.facets import Event
from ray_pipeline.lineage.names import DatasetName
from ray_pipeline.lineage.runs import BatchRun
from ray_pipeline.lineage.training import Figure, TrainedModel, TrainRun, train_ended, train_started
from ray_pipeline.lineage.training_sets import (
    BuiltSet,
    SourceColumn,
    TrainingSetRun,
    training_set_ended,
    training_set_started,
)

STARTED, FINISHED = "2013-02-25T06:00:00.5Z", "2013-02-25T06:00:20Z"
DEPARTURES = DatasetName("s3://bucket", "lake/curated/flights/departures")
VIEW = DatasetName("s3://bucket", "lake/curated/flights_features/origin_last_2h")
TRAINING_SET = DatasetName("s3://bucket", "lake/flights/_training/late_arrival")
MODEL = DatasetName("s3://bucket", "lake/flights/_models/late_arrival")

BUILD = TrainingSetRun(
    run=BatchRun("flights", "training-set.late_arrival", "4f", STARTED, "2.60.0"),
    tables={DEPARTURES: "3055729675574597004", VIEW: "2337640153391374208"},
    training_set=TRAINING_SET,
    columns={
        "carrier": (SourceColumn(DEPARTURES, "carrier", as_it_is=True),),
        "asked_at": (SourceColumn(DEPARTURES, "scheduled_departure_at", as_it_is=False),),
        "origin_last_2h__departures": (SourceColumn(VIEW, "departures", as_it_is=True),),
        "nothing": (),
    },
)
BUILT = BuiltSet(
    version="00af-12",
    schema=pa.schema(
        [
            ("carrier", pa.string()),
            ("asked_at", pa.timestamp("us", "UTC")),
            ("origin_last_2h__departures", pa.int64()),
            ("label", pa.bool_()),
        ]
    ),
    rows=17_000,
    bytes=600_000,
    created=True,
)
TRAINING = TrainRun(
    run=BatchRun("flights", "train.late_arrival", "5a", STARTED, "2.60.0"),
    training_set=TRAINING_SET,
    training_set_version="00af-12",
    rows=17_000,
    bytes=600_000,
    model=MODEL,
)
TRAINED = TrainedModel(
    name="late_arrival",
    number=3,
    created=True,
    estimator="sklearn.ensemble.HistGradientBoostingClassifier",
    sha256="ab" * 32,
    predictions_sha256="cd" * 32,
    training_set="late_arrival/00af-12",
    content_hash="ef" * 32,
    bytes=420_000,
    files=5,
    aliases=("challenger",),
    metrics={
        "test": {"auc": Figure(0.71, 0.69, 0.73), "brier": Figure(0.15, 0.14, 0.16)},
        "one_class": {"auc": Figure(None)},
    },
)


def events() -> list[Event]:
    """Return what both tell when all goes well."""
    return [
        training_set_started(BUILD),
        training_set_ended(BUILD, FINISHED, BUILT),
        train_started(TRAINING),
        train_ended(TRAINING, FINISHED, TRAINED),
    ]
