"""One prediction with everything behind it: what was asked, what the model saw, what the model is, what came true."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl

from ray_pipeline.errors import ModelError, RayPipelineError
from ray_pipeline.features.training_spec import moment_text as us_text
from ray_pipeline.model.labelled import ASKED, KEY, KNOWN, LABEL, REASON, STATE, State
from ray_pipeline.model.manifest import MODEL, ModelManifest
from ray_pipeline.runtime.predictions.event import moment_text, statuses_of, values_of
from ray_pipeline.runtime.predictions.found import FoundPrediction, find_prediction
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

DEADLINE_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of it by now."""

    state: State
    reason: str | None = None
    label: bool | None = None
    known_at: str | None = None
    """When its outcome was published as it is now."""
    judged_at: str | None = None
    """The newest publication among the outcomes."""

    def __str__(self) -> str:
        match self.state:
            case State.LABELLED:
                return f"{str(self.label).lower()}, known since {self.known_at}"
            case State.UNLABELLED:
                return f"never a label: {self.reason}"
            case State.WAITING | State.OVERDUE:
                return f"{self.state.value}: no outcome by {self.judged_at or 'now; nothing of it has landed'}"
        return self.state.value


@dataclass(frozen=True, slots=True)
class ShownPrediction:
    """One answer."""

    found: FoundPrediction
    manifest: ModelManifest | None
    """The version that answered; None: why is in ``model_note``."""
    model_note: str
    """What is wrong between the event and the registry; empty where nothing is."""
    fate: Fate | None
    """None: why is in ``fate_note``."""
    fate_note: str = ""

    @property
    def event(self) -> Mapping[str, Any]:
        """The landed event."""
        return self.found.event

    @property
    def values(self) -> dict[str, Any]:
        """What the model saw, by feature."""
        return values_of(self.event)

    def to_json(self) -> dict[str, Any]:
        """Return what ``predictions show --output json`` prints."""
        event, statuses = self.event, statuses_of(self.event)
        manifest = self.manifest
        return {
            "request_id": event["request_id"],
            "asked_at": moment_text(event["occurred_at"]),
            "request": json.loads(event["request"]),
            "label_key": event["label_key"],
            "probability": event["probability"],
            "complete": event["complete"],
            "source": event["source"],
            "model": dict(event["model"]),
            "registry": None if manifest is None else _registered(manifest),
            "registry_note": self.model_note,
            "features": {
                name: {"value": _shown(value), "status": statuses[name].value} for name, value in self.values.items()
            },
            "views": [_view(one) for one in event["views"]],
            "landed": {
                "topic": event["_topic"],
                "partition": event["_partition"],
                "offset": event["_offset"],
                "published_at": None if event["_timestamp"] is None else moment_text(event["_timestamp"]),
                "contract": f"{event['_contract']} {event['_contract_version']}",
                "file": self.found.file,
                "answers": self.found.answers,
            },
            "outcome": None
            if self.fate is None
            else {
                "state": self.fate.state.value,
                "reason": self.fate.reason,
                "label": self.fate.label,
                "known_at": self.fate.known_at,
                "judged_at": self.fate.judged_at,
            },
            "outcome_note": self.fate_note,
        }

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        shown = self.to_json()
        model, landed = shown["model"], shown["landed"]
        yield f"request       {shown['request_id']}, asked at {shown['asked_at']}"
        for name, value in shown["request"].items():
            yield f"  {name}: {_said(value)}"
        yield f"probability   {shown['probability']:.4f}"
        outcome = self.fate_note if self.fate is None else str(self.fate)
        key = f" ({shown['label_key']})" if shown["label_key"] is not None else ""
        yield f"outcome{key}  {outcome}" if key else f"outcome       {outcome}"
        yield f"model         {model['name']}/{model['version']}, file {model['file'][:12]}"
        if self.model_note:
            yield f"  {self.model_note}"
        yield f"training set  {model['training_set']}"
        if self.manifest is not None:
            yield from _model_lines(self.manifest)
        yield f"features      {len(shown['features'])}, {'all there' if shown['complete'] else 'NOT all there'}"
        width = max((len(name) for name in shown["features"]), default=0)
        for name, one in shown["features"].items():
            yield f"  {name:{width}}  {_said(one['value']) if one['status'] == 'PRESENT' else one['status']}"
        yield f"read          {'online' if shown['source'] == 'online' else 'from offline tables'}"
        for view in shown["views"]:
            yield f"  {_view_line(view)}"
        place = f"{landed['topic']}[{landed['partition']}] offset {landed['offset']}"
        yield f"landed        {place}, published at {landed['published_at']}, {landed['contract']}"
        yield f"  {landed['file']}"
        if landed["answers"] > 1:
            yield f"  {count(landed['answers'], 'answer')} to this request landed; this is the first, and it counts"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(chr(10).join(self.as_lines()))}</pre>"


def show_prediction(
    config: PipelineConfig, request_id: str, *, deadline_hours: float = DEADLINE_HOURS
) -> ShownPrediction:
    """Return a landed answer with everything behind it; ``UsageError`` where none of this id has landed."""
    found = find_prediction(config, request_id)
    manifest, note = _manifest(config, found.event)
    if manifest is None:
        return ShownPrediction(found, None, note, None, "not looked for: which label set is the model's is not known")
    try:
        return ShownPrediction(found, manifest, note, _fate(config, manifest, found.event, deadline_hours))
    except RayPipelineError as error:  # the label set may be gone or broken: the rest is worth showing
        return ShownPrediction(found, manifest, note, None, f"could not be looked for: {error}")


def _manifest(config: PipelineConfig, event: Mapping[str, Any]) -> tuple[ModelManifest | None, str]:
    from ray_pipeline.runtime.models.promotion import open_registry

    model = event["model"]
    try:
        manifest = open_registry(config).manifest(model["name"], model["version"])
    except ModelError as error:
        return None, f"the registry does not know it: {error}"
    registered = manifest.files.get(MODEL)
    if registered is None or registered.sha256 != model["file"]:
        return manifest, "the registry's file of this version is another than the one that answered"
    return manifest, ""


def _fate(config: PipelineConfig, manifest: ModelManifest, event: Mapping[str, Any], deadline_hours: float) -> Fate:
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.runtime.predictions.outcomes import join_outcomes

    if event["label_key"] is None:
        return Fate(State.NO_KEY)
    moment = pl.Series([event["occurred_at"]], dtype=pl.Datetime("us", "UTC")).dt.timestamp("us")
    one = pl.DataFrame({KEY: [event["label_key"]], ASKED: moment})
    found = join_outcomes(config, load_repo(config).label_set(manifest.label_set), one, deadline_hours)
    row = found.labelled.frame.row(0, named=True)
    known, judged = (None if us is None else us_text(us) for us in (row[KNOWN], found.watermark_us))
    return Fate(State(row[STATE]), row[REASON], row[LABEL], known, judged)


def _registered(manifest: ModelManifest) -> dict[str, Any]:
    training = manifest.training
    return {
        "created_at": manifest.created_at,
        "created_by": manifest.created_by,
        "estimator": manifest.estimator,
        "training_set": f"{training['name']}/{training['version']}",
        "content_hash": training["content_hash"],
        "rows": training.get("rows"),
        "curated": {name: _curated(one) for name, one in training.get("curated", {}).items()},
        "views": {
            one.name: {"view": one.view, "definition": one.definition, "snapshot": one.snapshot}
            for one in manifest.views
        },
        "metrics": dict(manifest.metrics),
    }


def _curated(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found.get(name) for name in ("snapshot", "decision", "contract", "offsets")}


def _model_lines(manifest: ModelManifest) -> Iterator[str]:
    from ray_pipeline.runtime.predictions.performance_text import metrics_line

    training = manifest.training
    rows = f"{count(training['rows'], 'row')}, " if "rows" in training else ""
    yield f"  {rows}content hash {training['content_hash'][:12]}"
    for dataset, one in training.get("curated", {}).items():
        contract = one["contract"]
        yield f"  {dataset}: curated snapshot {one['snapshot']}, contract {contract['id']} {contract['version']}"
    for view in manifest.views:
        yield f"  {view.name}: offline snapshot {view.snapshot}, definition {view.definition[:12]}"
    for split, metrics in manifest.metrics.items():
        yield f"metrics       {split}: {metrics_line(metrics)}"


def _view(found: Mapping[str, Any]) -> dict[str, Any]:
    changed = found["changed_at"]
    return {
        "name": found["name"],
        "dataset": found["dataset"],
        "changed_at": None if changed is None else moment_text(changed),
        "offsets": [dict(one) for one in found["offsets"]],
    }


def _view_line(view: Mapping[str, Any]) -> str:
    since = "nothing is known" if view["changed_at"] is None else f"changed at {view['changed_at']}"
    offsets = ", ".join(
        f"[{one['partition']}] {one['first']}" + (f"-{one['last']}" if one["last"] != one["first"] else "")
        for one in view["offsets"]
    )
    return f"{view['name']}: {since}" + (f", from {view['dataset']} {offsets}" if offsets else "")


def _shown(value: Any) -> Any:
    return moment_text(value) if isinstance(value, datetime) else value


def _said(value: Any) -> Any:
    """Return a value for people, in JSON's words: landed numbers have double precision, and a count is a whole one."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if value is None:
        return "null"
    return int(value) if isinstance(value, float) and value.is_integer() else value
