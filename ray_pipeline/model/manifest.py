"""The manifest of a model version: everything that it rests on, and everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ray_pipeline.model.columns import ColumnKind, ModelColumn

FORMAT = 1
MODEL, BASELINE, BASELINE_COUNTS, PREDICTIONS, PAGE = (
    "model.skops",
    "baseline.json",
    "baseline.parquet",
    "predictions.parquet",
    "page.html",
)
"""The files of a version."""


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file of a version; the hash names it."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class TrainedView:
    """A view as the model was trained on it: another definition's values are other features."""

    name: str
    """As the service calls it."""
    view: str
    definition: str
    snapshot: int
    """Of its offline table."""


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """One version. ``number`` is 0 before the registry has given it one."""

    name: str
    number: int
    created_at: str
    created_by: str
    estimator: str
    """Dotted path of the class."""
    parameters: Mapping[str, Any]
    seed: int
    columns: tuple[ModelColumn, ...]
    """In the order of the matrix."""
    calibrator: Mapping[str, Any]
    """:meth:`ray_pipeline.model.calibration.Calibrator.to_json`."""
    service: str
    """The feature service that it is trained on."""
    views: tuple[TrainedView, ...]
    """Those of the service that it sees, in its order."""
    request: str | None
    """The service's request features; None where it sees none of them."""
    request_definition: str | None
    """Hash of those that it sees, as :func:`ray_pipeline.features.requests.request_definition` makes it; None where it
    sees none, or where the training set does not say."""
    label_set: str
    label_key: str
    """The request's field that its outcome is found by, as in ``flight_id``."""
    training: Mapping[str, Any]
    """Training set: ``name``, ``version``, ``content_hash``, ``sha256``, ``rows``, ``splits`` (as its manifest has
    them), ``excluded``, ``curated`` (dataset → snapshot, decision, contract, offsets), ``views``, ``spec``."""
    metrics: Mapping[str, Any]
    """Split → :meth:`ray_pipeline.model.metrics.Metrics.to_json`, of the splits that the model was not fitted to."""
    importance: tuple[Mapping[str, Any], ...]
    """By how much the AUC falls where a column is shuffled: ``name``, ``drop``, ``low``, ``high``; largest first."""
    predictions_sha256: str
    """Of the probabilities for the test rows: two trainings are the same where these are, whatever their files."""
    files: Mapping[str, FileFact]
    types: tuple[str, ...]
    """What the model file holds besides plain values: each is one of the listed ones."""
    code: Mapping[str, str]
    """Versions of this package, Python, and the libraries that the model needs."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """As it was asked for."""

    @property
    def shown(self) -> str:
        """The version for people: ``late_arrival/3``."""
        return f"{self.name}/{self.number}"

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as :meth:`from_json` reads it."""
        return {"format": FORMAT} | asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ModelManifest:
        """Read a manifest; ``ValueError`` where it is none, or of a later format."""
        try:
            if found["format"] != FORMAT:
                raise ValueError(f"is of format {found['format']!r}, and this version reads {FORMAT}")
            known = {"request_definition": None, **found}  # versions from before there was one do not say
            values = {one.name: known[one.name] for one in fields(cls)}
            values["columns"] = tuple(
                ModelColumn(one["name"], ColumnKind(one["kind"]), tuple(one["categories"])) for one in found["columns"]
            )
            values["views"] = tuple(TrainedView(**one) for one in found["views"])
            values["files"] = {name: FileFact(**one) for name, one in found["files"].items()}
            values["importance"] = tuple(found["importance"])
            values["types"] = tuple(found["types"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"is not the manifest of a model version ({type(error).__name__}: {error})") from None
