"""Feast's answer to ``get_online_features``, with the statuses and times that Feast itself leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feast import FeatureView, utils
from feast.feature_view import DUMMY_ENTITY_ID
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from ray_pipeline.connectors.feast.entities import Entities
from ray_pipeline.connectors.feast.values import Value
from ray_pipeline.errors import UsageError
from ray_pipeline.features.reading import Status

if TYPE_CHECKING:
    from ray_pipeline.connectors.feast.online_base import Found

_STATUSES = {status: FieldStatus.Value(status.value) for status in Status}


def unique_entities(
    table: FeatureView, join_key_values: Mapping[str, Sequence[Any]], join_keys: Mapping[str, str]
) -> tuple[list[str | None], list[int]]:
    """Return the view's different entities, and for each row which one of them is its own.

    Feast's own function for this cannot take a null, and looks up something else where one of two keys is missing.
    """
    values = utils._get_table_entity_values(
        table, dict(join_keys), {key: list(one) for key, one in join_key_values.items()}
    )
    wanted = [join_keys[name] for name in table.entities]
    if missing := [name for name in wanted if name not in values and name != DUMMY_ENTITY_ID]:
        raise UsageError(f"view {table.name} needs the entity key {', '.join(missing)}, which the request has not")
    names, entities = list(values), Entities()
    number: dict[str | None, int] = {}
    places = [number.setdefault(entities(names, row), len(number)) for row in zip(*values.values(), strict=True)]
    return list(number), places


def fill_response(
    response: Any,
    table: FeatureView,
    requested: Sequence[str],
    found: Sequence[Found],
    *,
    full_names: bool,
    version: bool,
) -> None:
    """Add one vector for each requested feature; ``found`` has what each row gets."""
    name = table.projection.name_to_use()  # type: ignore[no-untyped-call]
    response.metadata.feature_names.val.extend(f"{name}__{one}" if full_names else one for one in requested)
    if version:
        _add_version(response, table)
    times = [_timestamp(one.event_us) for one in found]
    present, missing, nothing = 0, 0, Value()
    for feature in requested:
        values, statuses = [], []
        for one in found:
            value = one.values.get(feature)
            # A row from before the feature was added is there, and this value of it is not.
            absent = one.status is Status.PRESENT and value is None
            status = Status.NOT_FOUND if absent else one.status
            values.append(nothing if value is None else value)
            statuses.append(_STATUSES[status])
            present, missing = present + (status is Status.PRESENT), missing + (status is not Status.PRESENT)
        response.results.append(
            GetOnlineFeaturesResponse.FeatureVector(values=values, statuses=statuses, event_timestamps=times)
        )
    _track(table.name, present, missing)


def _add_version(response: Any, table: FeatureView) -> None:
    name = table.projection.name_alias or table.projection.name
    if name not in [known.name for known in response.metadata.feature_view_metadata]:
        added = response.metadata.feature_view_metadata.add()
        added.name = name
        added.version = getattr(table, "current_version_number", 0) or 0


def _timestamp(event_us: int | None) -> Any:
    if event_us is None:
        return Timestamp()
    seconds, micros = divmod(event_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def _track(view: str, present: int, missing: int) -> None:
    """Count as Feast counts; its metrics are an extra that may be absent."""
    try:
        from feast.metrics import track_feature_statuses
    except ImportError:
        return
    track_feature_statuses(view, present, missing)
