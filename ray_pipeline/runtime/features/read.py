"""Read the features of a service online: now, or as of a moment that somebody names.

Feast's own ``get_online_features`` means now. This one serves a replay as well, needs no Feast at the time of the
call, and says of each value when it changed and which events it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ray_pipeline.config.nearest import unknown
from ray_pipeline.connectors.online.reading import Moment, given, now, readings_of, replayed, row_status
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.connectors.online.values import plain, unpack
from ray_pipeline.errors import UsageError
from ray_pipeline.features.entity import entity_key
from ray_pipeline.features.ports import Asked, Together
from ray_pipeline.features.reading import Status
from ray_pipeline.features.service import Service, ServiceView
from ray_pipeline.features.shape import Feed, KeyShape, ValueType, ViewShape
from ray_pipeline.features.state import Decode
from ray_pipeline.features.state_codec import columns_of
from ray_pipeline.runtime.features.answers import FeatureAnswer, FeatureAnswers, FeatureValue

if TYPE_CHECKING:
    from ray_pipeline.clock import Clock
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.features.definition import RequestDefinition
    from ray_pipeline.features.ports import OnlineStore, StateRow, ValueRow
    from ray_pipeline.runtime.features.remembered import Remembered

AsOf = datetime | Sequence[datetime] | None
Row = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PYTHON = {ValueType.INT64: int, ValueType.STRING: str, ValueType.BOOL: bool}


def read_features(
    config: PipelineConfig, service: str | Sequence[str], rows: Sequence[Row], as_of: AsOf = None
) -> FeatureAnswers:
    """Return what the service called ``service`` answers to each row: its entities, and its request's values.

    Instead of a service's name it may be what Feast takes too: a list of ``view:feature``.
    ``as_of`` is one moment or one for each row; None: now, by the clock of the online store. Who asks often opens the
    repository and the store once, and calls :func:`read_with`.
    """
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.connectors.online import online_settings, open_online

    repo = load_repo(config)
    shapes = {view.name: view.shape for view in repo.views}
    asked = repo.service(service) if isinstance(service, str) else _listed(service, shapes)
    settings = online_settings(repo.folder, config)
    store = open_online(settings)
    try:
        return read_with(store, shapes, asked, rows, as_of, clock=settings.clock)
    finally:
        store.close()


def _listed(references: Sequence[str], shapes: Mapping[str, ViewShape]) -> Service:
    """Return a service of the features that are listed as ``view:feature``."""
    wanted: dict[str, list[str]] = {}
    for reference in references:
        view, colon, name = reference.partition(":")
        if not colon or view not in shapes:
            raise UsageError(f"{reference!r}: {unknown(view, shapes, 'view') if colon else 'write VIEW:FEATURE'}")
        known = [feature.name for feature in shapes[view].features]
        if name not in known:
            raise UsageError(f"{reference!r}: {unknown(name, known, 'feature')}")
        wanted.setdefault(view, []).append(name)
    return Service("", tuple(ServiceView(view, tuple(names)) for view, names in wanted.items()))


def read_with(
    store: OnlineStore,
    shapes: Mapping[str, ViewShape],
    service: Service,
    rows: Sequence[Row],
    as_of: AsOf = None,
    *,
    clock: ClockKind = ClockKind.WALL,
    machine: Clock | None = None,
    remembered: Remembered | None = None,
) -> FeatureAnswers:
    """Return what a service answers from a store that is open, in one round trip.

    A part of an entity that is null gives NOT_FOUND. Raises ``UsageError`` where one is absent or of another type.
    """
    if not rows:
        return FeatureAnswers(service.name, ())
    moments = _moments(rows, as_of)
    if moments is None and clock is not ClockKind.REPLAY:
        moments = [now(store, clock, machine)] * len(rows)
    asked_views = [_asked_view(service, shapes, asked, rows) for asked in service.views]
    wanted = [one.wanted for one in asked_views if one.wanted.entities]
    found = Together([], [], [])
    if wanted or moments is None:
        found = store.read_together(wanted, marks=moments is None)
    if moments is None:
        moments = [replayed(found.marks)] * len(rows)
    states, materialised = iter(found.states), iter(found.rows)
    answers: list[dict[str, FeatureValue]] = [{} for _ in rows]
    for one in asked_views:
        if one.shape.feed is Feed.MATERIALIZED:
            each_row = dict(zip(one.wanted.entities, next(materialised), strict=True)) if one.wanted.entities else {}
            each = _of_rows(one, each_row, moments)
        else:
            each_state = dict(zip(one.wanted.entities, next(states), strict=True)) if one.wanted.entities else {}
            each = _of_states(one, each_state, moments, columns_of if remembered is None else remembered.decode)
        for answer, values in zip(answers, each, strict=True):
            answer.update(zip(one.names, values, strict=True))
    if service.request is not None:
        for answer, of_request in zip(answers, _of_requests(service.request, rows, remembered), strict=True):
            answer.update({f"{service.request.name}__{name}": value for name, value in of_request.items()})
    return FeatureAnswers(
        service.name,
        tuple(
            FeatureAnswer(None if moment.at_us is None else _moment(moment.at_us), answer)
            for moment, answer in zip(moments, answers, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class _AskedView:
    """One view of a service, for some rows."""

    shape: ViewShape
    asked: ServiceView
    names: Sequence[str]
    """Of its features, as answers have them."""
    entities: Sequence[str | None]
    """Of each row."""
    wanted: Asked


def _asked_view(
    service: Service, shapes: Mapping[str, ViewShape], asked: ServiceView, rows: Sequence[Row]
) -> _AskedView:
    if asked.view not in shapes:
        raise UsageError(f"service {service.name} asks for view {asked.view}, which this pipeline does not compute")
    shape, shown = shapes[asked.view], asked.shown
    entities = [_entity(shape, asked, number, row) for number, row in enumerate(rows)]
    definition = None if shape.feed is Feed.MATERIALIZED else shape.definition
    wanted = Asked(shape.name, definition, list(dict.fromkeys(one for one in entities if one is not None)))
    return _AskedView(shape, asked, [f"{shown}__{name}" for name in asked.features], entities, wanted)


def _of_states(
    one: _AskedView, found: Mapping[str, Sequence[StateRow]], moments: Sequence[Moment], decode: Decode
) -> Iterator[list[FeatureValue]]:
    places = {feature.name: place for place, feature in enumerate(one.shape.features)}
    picked = [(place := places[name], one.shape.features[place].type) for name in one.asked.features]
    for reading in readings_of(one.shape, one.entities, moments, found, decode):
        event = None if reading.event_us is None else _moment(reading.event_us)
        yield [
            FeatureValue(_python(kind, reading.values[place]), reading.status, event, reading.offsets)
            for place, kind in picked
        ]


def _of_rows(
    one: _AskedView, found: Mapping[str, ValueRow | None], moments: Sequence[Moment]
) -> Iterator[list[FeatureValue]]:
    for entity, moment in zip(one.entities, moments, strict=True):
        yield _of_row(one.shape, one.asked, None if entity is None else found[entity], moment)


def _of_row(shape: ViewShape, asked: ServiceView, row: ValueRow | None, moment: Moment) -> list[FeatureValue]:
    status = row_status(row, moment, shape.ttl)
    if row is None or status is not Status.PRESENT:
        known = row is not None and status is Status.OUTSIDE_MAX_AGE
        event = _moment(row.event_us) if row is not None and known else None
        return [FeatureValue(None, status, event)] * len(asked.features)
    types = {feature.name: feature.type for feature in shape.features}
    values, event = unpack(row.values), _moment(row.event_us)
    answer: list[FeatureValue] = []
    for name in asked.features:
        if name not in values:  # a row from before the feature was added
            answer.append(FeatureValue(None, Status.NOT_FOUND, event))
            continue
        value = plain(values[name])
        if types[name] is ValueType.TIMESTAMP and value is not None:
            value *= 1_000_000  # Feast keeps seconds
        answer.append(FeatureValue(_python(types[name], value), status, event))
    return answer


def _of_requests(
    request: RequestDefinition, rows: Sequence[Row], remembered: Remembered | None
) -> Sequence[Mapping[str, FeatureValue]]:
    if remembered is None or len(rows) > 1:
        return request_answers(request, rows)
    known = remembered.of_request(request, rows[0])
    if known is not None:
        return [known]
    found = request_answers(request, rows)
    remembered.keep(request, rows[0], found[0])
    return found


def request_answers(request: RequestDefinition, rows: Sequence[Row]) -> list[dict[str, FeatureValue]]:
    """Return the features of the request itself, by their own names; no store is asked for them."""
    import polars as pl

    from ray_pipeline.features.requests import input_series, request_values

    columns: dict[str, list[Any]] = {}
    for name in request.inputs:
        for number, row in enumerate(rows):
            if name not in row:
                raise UsageError(f"row {number} has no {name}, from which the features {request.name} are computed")
        columns[name] = [_in_utc(name, number, row[name]) for number, row in enumerate(rows)]
    try:
        frame = pl.DataFrame([input_series(name, kind, columns[name]) for name, kind in request.inputs.items()])
    except (TypeError, pl.exceptions.PolarsError):
        raise UsageError(f"the values of {', '.join(columns)} are not of one type each") from None
    found = request_values(request, frame).to_dicts()
    unknown = [any(columns[name][number] is None for name in request.inputs) for number in range(len(rows))]
    return [
        {
            # What is null because nothing was given is no value of the request.
            name: FeatureValue(value, Status.NOT_FOUND if value is None and nothing else Status.PRESENT)
            for name, value in one.items()
        }
        for one, nothing in zip(found, unknown, strict=True)
    ]


def _in_utc(name: str, number: int, value: Any) -> Any:
    return _aware(value, f"row {number}: {name}").astimezone(UTC) if isinstance(value, datetime) else value


def _entity(shape: ViewShape, asked: ServiceView, number: int, row: Row) -> str | None:
    parts: dict[str, Any] = {}
    for key in shape.keys:
        name = asked.keys.get(key.name, key.name)
        if name not in row:
            raise UsageError(f"row {number} has no {name}, the entity of view {asked.shown}")
        parts[key.name] = _part(key, f"row {number}: {name}", row[name])
    try:
        return entity_key(shape.keys, parts)
    except TypeError:  # a lone surrogate
        raise UsageError(f"row {number}: the entity of view {asked.shown} is no text") from None


def _part(key: KeyShape, where: str, value: Any) -> Any:
    """Return a part of an entity's key as events have it. What NumPy and pandas make of a value is the value."""
    if hasattr(value, "item") and not isinstance(value, datetime):
        value = value.item()
    if value is None or value != value:  # NaN and NaT: pandas' null
        return None
    if key.type is ValueType.TIMESTAMP:
        if not isinstance(value, datetime):
            raise UsageError(f"{where} must be a moment, not {type(value).__name__}")
        return (_aware(value, where) - _EPOCH) // _MICROSECOND
    if key.type in _PYTHON and type(value) is not _PYTHON[key.type]:
        raise UsageError(f"{where} must be {key.type.value}, not {type(value).__name__}")
    return float(value) if key.type is ValueType.FLOAT64 else value


def _moments(rows: Sequence[Row], as_of: AsOf) -> list[Moment] | None:
    if as_of is None:
        return None
    each = [as_of] * len(rows) if isinstance(as_of, datetime) else list(as_of)
    if len(each) != len(rows):
        raise UsageError(f"as_of has {len(each)} moments for {len(rows)} rows")
    return [given((_aware(moment, "as_of") - _EPOCH) // _MICROSECOND) for moment in each]


def _aware(moment: datetime, what: str) -> datetime:
    if moment.tzinfo is None:
        raise UsageError(f"{what} needs its offset from UTC: 2013-01-01T00:00:00+00:00")
    return moment


def _python(kind: ValueType, value: Any) -> Any:
    return _moment(value) if kind is ValueType.TIMESTAMP and value is not None else value


def _moment(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND
