"""The questions of a label set as requests to a model: what would have been asked, when it would have been asked.

A flight that was cancelled later is asked about too: when it was asked nobody knew.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ray_pipeline.errors import UsageError
from ray_pipeline.features.training import ASKED_AT, asked_once, columns_of, label_key
from ray_pipeline.runtime.predictions.prediction import PredictionRequest
from ray_pipeline.runtime.predictions.request import AS_OF, REQUEST_ID, RequestError, is_request_id, read_request

if TYPE_CHECKING:
    import pyarrow as pa

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.runtime.predictions.predictor import Predictor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def questions(
    config: PipelineConfig,
    predictor: Predictor,
    start: datetime,
    end: datetime,
    *,
    landed: bool = False,
    repo: FeatureRepo | None = None,
) -> list[PredictionRequest]:
    """Return the questions of the model's label set asked at ``start <= t < end``, by moment and label key.

    Each comes once, as it was first published in the curated data; ``landed`` takes all that landed instead, which is
    there before a gate has run. The ids are the same each time: a batch that is run again publishes the same ones.
    """
    from ray_pipeline.connectors.feast.repo import load_repo

    if start.tzinfo is None or end.tzinfo is None:
        raise UsageError("the range needs a time zone: 2013-02-23T00:00:00Z")
    labels = (load_repo(config) if repo is None else repo).label_set(predictor.manifest.label_set)
    wanted, _ = columns_of(labels)
    rows = _landed(config, labels.requests, wanted) if landed else _curated(config, labels.requests, wanted)
    asked = asked_once(labels, _micros(start), _micros(end), rows)
    names = [field.name for field in predictor.fields if field.name in asked.columns]
    key, model = label_key(labels), predictor.manifest.name
    found = []
    for row in asked.iter_rows(named=True):
        moment = _EPOCH + row[ASKED_AT] * _MICROSECOND
        document = {name: row[name] for name in names}
        document |= {REQUEST_ID: question_id(model, str(row[key]), moment), AS_OF: moment}
        try:
            found.append(read_request(predictor.fields, document, allow_as_of=True, new_id=str))
        except RequestError as error:
            raise UsageError(f"label set {labels.name}, asked {moment.isoformat()}: {error}") from None
    return found


def question_id(model: str, key: str, asked: datetime) -> str:
    """Return the id of a question: readable where its parts allow it, else a hash of them.

    >>> question_id("late_arrival", "2013-02-23.UA1545.EWR.1515", datetime(2013, 2, 23, 19, 15, tzinfo=UTC))
    'late_arrival-2013-02-23.UA1545.EWR.1515-20130223T191500Z'
    """
    moment = asked.astimezone(UTC).isoformat().replace("+00:00", "Z").replace("-", "").replace(":", "")
    readable = f"{model}-{key}-{moment}"
    return readable if is_request_id(readable) else hashlib.sha256(readable.encode()).hexdigest()


def _landed(config: PipelineConfig, dataset: str, columns: tuple[str, ...]) -> pa.Table:
    from ray_pipeline.runtime.predictions.landed import read_landed

    return read_landed(config, dataset, columns)


def _curated(config: PipelineConfig, dataset: str, columns: tuple[str, ...]) -> pa.Table:
    from ray_pipeline.connectors.iceberg.pinned import read_columns
    from ray_pipeline.runtime.curated import curated_table

    table = curated_table(config, dataset)
    snapshot = None if table is None else table.info()["snapshot_id"]
    if table is None or snapshot is None:
        raise UsageError(f"{dataset} has no curated snapshot yet; run the gate first")
    return read_columns(table, snapshot, columns)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
