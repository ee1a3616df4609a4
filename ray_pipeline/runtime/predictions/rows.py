"""Ask a model about rows that a program has at hand, as a notebook does."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import UsageError
from ray_pipeline.runtime.predictions.batch import predict_batch
from ray_pipeline.runtime.predictions.policy import Answer
from ray_pipeline.runtime.predictions.predictor import Predictor
from ray_pipeline.runtime.predictions.request import AS_OF, RequestError, read_request

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig


def ask_rows(
    config: PipelineConfig,
    predictor: Predictor,
    rows: Sequence[Mapping[str, Any]],
    *,
    as_of: datetime | None = None,
) -> list[Answer]:
    """Answer rows of request values from the offline tables, each as of its ``as_of``, else of the one given here.

    Raises ``UsageError`` with the first row that cannot be asked.
    """
    requests = []
    for number, row in enumerate(rows):
        document = row if row.get(AS_OF) is not None else {**row, AS_OF: as_of}
        try:
            if document[AS_OF] is None:
                raise UsageError(f"row {number}: as_of is missing: the moment that the row asks about")
            requests.append(
                read_request(predictor.fields, document, allow_as_of=True, new_id=lambda: str(uuid.uuid4()))
            )
        except RequestError as error:
            raise UsageError(f"row {number}: {error}") from None
    return predict_batch(config, predictor, requests)
