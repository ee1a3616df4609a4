"""The model file: skops' format, which stores values and the names of types, and runs nothing of its own.

Two files of the same model differ in their bytes, for skops names parts by memory addresses: two trainings are compared
by their predictions, and the hash of a file only says that it is that file.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

from ray_pipeline.errors import ModelFileError
from ray_pipeline.model.manifest import MODEL

TRUSTED = (
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)
"""Types that a model file may hold beside skops' own defaults, which are plain values, containers, numpy's arrays and
numeric types, ufuncs of numpy and scipy, and scikit-learn's public estimators. All three are HistGradientBoosting's:

- TreePredictor is a tree: its nodes as one array. Their numbers lead from node to node unchecked, so
  :mod:`ray_pipeline.model.trees` checks them before a row goes through.
- check_array and partial are how it looks at numeric columns where others are categories:
  ``partial(check_array, …)``. Of functions that a partial could hold, this is the only one besides ufuncs.
"""

MAX_BYTES = 256 << 20
"""Of all parts of a file, unpacked."""
MAX_SCHEMA = 64 << 20
"""Of the part that says what the others are: parsed it takes several times as much."""
MAX_PARTS = 200_000


class UnlistedTypesError(Exception):
    """An estimator's stored form holds types that are not listed."""

    def __init__(self, types: tuple[str, ...]) -> None:
        super().__init__(types)
        self.types = types


def dump(estimator: Any) -> tuple[bytes, tuple[str, ...]]:
    """Return a fitted estimator's file, and which of the listed types are in it; ``UnlistedTypesError`` for others."""
    import skops.io

    data = bytes(skops.io.dumps(estimator, compression=zipfile.ZIP_DEFLATED))
    types = tuple(skops.io.get_untrusted_types(data=data))
    if unlisted := tuple(one for one in types if one not in TRUSTED):
        raise UnlistedTypesError(unlisted)
    return data, types


def load(data: bytes, sha256: str, version: str, file: str = MODEL) -> Any:
    """Return the estimator in a file whose hash is known; ``ModelFileError`` before anything of another is loaded.

    The hash comes first, then the size, then the types; only then objects are made.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelFileError(version, file, "its bytes are not those that the manifest names")
    return _read(data, version, file)


def _read(data: bytes, version: str, file: str) -> Any:
    if reason := _wrong_size(data):
        raise ModelFileError(version, file, reason)
    import skops.io

    from ray_pipeline.model.trees import check_trees

    try:
        unlisted = [one for one in skops.io.get_untrusted_types(data=data) if one not in TRUSTED]
    except Exception as error:  # noqa: BLE001  # a hostile file may make skops raise anything
        raise ModelFileError(version, file, f"is no model file ({type(error).__name__})") from None
    if unlisted:
        raise ModelFileError(version, file, f"holds types that are not listed: {', '.join(unlisted)}")
    try:
        estimator = skops.io.loads(data, trusted=list(TRUSTED))
        check_trees(estimator)
    except Exception as error:  # noqa: BLE001
        raise ModelFileError(version, file, f"cannot be loaded ({type(error).__name__})") from None
    if not callable(getattr(estimator, "predict_proba", None)):
        raise ModelFileError(version, file, f"holds {type(estimator).__name__}, and no classifier")
    return estimator


def _wrong_size(data: bytes) -> str | None:
    """Say what keeps a file from being unpacked; sizes in the directory bind, for nothing beyond them is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "is no model file (not an archive)"
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_BYTES:
        return f"would unpack to more than {MAX_BYTES >> 20} MB or {MAX_PARTS} parts"
    if any(part.filename == "schema.json" and part.file_size > MAX_SCHEMA for part in parts):
        return f"describes itself in more than {MAX_SCHEMA >> 20} MB"
    return None
