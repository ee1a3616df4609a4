"""What a model is to be trained on and how, as a person writes it: one YAML file.

::

    name: late_arrival
    training_set: late_arrival.yaml      # a spec beside this file, a manifest.json, or NAME[/VERSION] in the lake
    estimator: sklearn.ensemble.HistGradientBoostingClassifier
    parameters: {learning_rate: 0.06}    # of the estimator
    keys: [carrier, origin]              # join keys and request values that the model sees too
    without: [destination_last_7d]       # views, as the service calls them, or features that it does not see
    calibration: sigmoid                 # sigmoid, isotonic or none
    splits: {fit: train, calibrate: validation, test: test}
    seed: 2013
    bootstrap: 200                       # resamples of days behind each interval
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray_pipeline.config.nearest import unknown
from ray_pipeline.config.yaml_lines import MAX_BYTES, Document, KeyPath, dotted, parse
from ray_pipeline.errors import ConfigError, Problem

DEFAULT_ESTIMATOR = "sklearn.ensemble.HistGradientBoostingClassifier"
CALIBRATIONS = ("sigmoid", "isotonic", "none")
OURS = {
    "random_state": "is set from seed",
    "categorical_features": "is set from the types of the columns",
}
"""Parameters of estimators that a spec does not set, and why."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_KEYS = ("name", "training_set", "estimator", "parameters", "keys", "without", "calibration", "splits", "seed",
         "bootstrap")  # fmt: skip
_SPLITS = {"fit": "train", "calibrate": "validation", "test": "test"}
_WORD = "must be a word of letters, digits, '.', '_' and '-' that begins with one of the first"
_MAX_SEED, _MAX_BOOTSTRAP = (1 << 32) - 1, 10_000


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model as asked for."""

    name: str
    training_set: str
    estimator: str = DEFAULT_ESTIMATOR
    """Dotted path of a class."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    calibration: str = "sigmoid"
    fit: str = "train"
    """The split that the estimator is fitted to."""
    calibrate: str = "validation"
    """The one that the calibrator is fitted to."""
    test: str = "test"
    """The one that nothing is fitted to."""
    seed: int = 0
    bootstrap: int = 200
    folder: Path | None = None
    """Where the spec was read: ``training_set`` may be a file beside it."""

    def to_json(self) -> dict[str, Any]:
        """Return the spec as :func:`model_spec_of` reads it; the folder is not a part of it."""
        return {
            "name": self.name,
            "training_set": self.training_set,
            "estimator": self.estimator,
            "parameters": dict(sorted(self.parameters.items())),
            "keys": list(self.keys),
            "without": list(self.without),
            "calibration": self.calibration,
            "splits": {"fit": self.fit, "calibrate": self.calibrate, "test": self.test},
            "seed": self.seed,
            "bootstrap": self.bootstrap,
        }


def read_model_spec(path: Path | str) -> ModelSpec:
    """Read a spec, or raise ``ConfigError`` with everything that is wrong in it."""
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError((Problem(str(file), None, "", f"larger than {MAX_BYTES} bytes"),))
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError((Problem(str(file), None, "", "there is no such file"),)) from None
    except UnicodeDecodeError:
        raise ConfigError((Problem(str(file), None, "", "is not UTF-8 text"),)) from None
    except OSError as error:
        raise ConfigError((Problem(str(file), None, "", f"cannot be read: {error.strerror}"),)) from None
    return _Reading(parse(text, str(file)), str(file)).spec(file.absolute().parent)


def model_spec_of(tree: object, file: str = "the spec", folder: Path | None = None) -> ModelSpec:
    """Read a spec from values, as a manifest or a notebook has them."""
    return _Reading(Document(tree), file).spec(folder)


class _Reading:
    """One pass over one file: problems gather until the end."""

    def __init__(self, document: Document, file: str) -> None:
        self._document, self._file = document, file
        self._problems = list(document.problems)
        self._tree: Mapping[str, Any] = document.value if isinstance(document.value, Mapping) else {}

    def spec(self, folder: Path | None) -> ModelSpec:
        if not isinstance(self._document.value, Mapping) and not self._problems:
            self._find((), f"must hold keys and values: {', '.join(_KEYS[:3])}, …")
        elif isinstance(self._document.value, Mapping):
            self._names()
        found = ModelSpec(
            name=self._text("name", "", _NAME, _WORD),
            training_set=self._text("training_set", "", None, "must be text: a file, or the name of a training set"),
            estimator=self._text(
                "estimator",
                DEFAULT_ESTIMATOR,
                _DOTTED,
                f"must be the dotted path of a class, as in {DEFAULT_ESTIMATOR}",
            ),
            parameters=self._parameters(),
            keys=self._words("keys", "join keys or request values of the training set"),
            without=self._words("without", "views or features of the service"),
            calibration=self._calibration(),
            **self._splits(),
            seed=self._number("seed", 0, _MAX_SEED),
            bootstrap=self._number("bootstrap", 200, _MAX_BOOTSTRAP),
            folder=folder,
        )
        if self._problems:
            raise ConfigError(tuple(sorted(self._problems, key=lambda problem: problem.line or 0)))
        return found

    def _names(self) -> None:
        for key in self._tree:
            if key not in _KEYS:
                self._find((key,), unknown(str(key), _KEYS))
        for key, what in {
            "name": "is required: a word that the model's versions are kept under",
            "training_set": "is required: the spec of a training set beside this file, its manifest.json, or its name",
        }.items():
            if self._tree.get(key) is None:
                self._find((key,), what)

    def _text(self, key: str, default: str, form: re.Pattern[str] | None, what: str) -> str:
        value = self._tree.get(key)
        if value is None:
            return default
        if not (isinstance(value, str) and value.strip() and (form is None or form.fullmatch(value))):
            self._find((key,), what)
            return default
        return value

    def _parameters(self) -> Mapping[str, Any]:
        value = self._tree.get("parameters")
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._find(("parameters",), "must be a mapping of the estimator's parameters to values")
            return {}
        for name in value:
            if name in OURS:
                self._find(("parameters", name), f"{OURS[name]}: leave it out")
        return dict(value)

    def _words(self, key: str, what: str) -> tuple[str, ...]:
        value = self._tree.get(key)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
            self._find((key,), f"must be a list of names: {what}")
            return ()
        for at, one in enumerate(value):
            if one in value[:at]:
                self._find((key, at), f"{one} stands twice")
        return tuple(value)

    def _calibration(self) -> str:
        value = self._tree.get("calibration", "sigmoid")
        if value not in CALIBRATIONS:
            self._find(("calibration",), f"must be one of {', '.join(CALIBRATIONS)}")
            return "none"
        return str(value)

    def _splits(self) -> dict[str, str]:
        value = self._tree.get("splits")
        if value is None:
            return dict(_SPLITS)
        if not isinstance(value, Mapping):
            self._find(("splits",), f"must be a mapping of {', '.join(_SPLITS)} to splits of the training set")
            return dict(_SPLITS)
        found = dict(_SPLITS)
        for key, name in value.items():
            if key not in _SPLITS:
                self._find(("splits", key), unknown(str(key), _SPLITS))
            elif not (isinstance(name, str) and _NAME.fullmatch(name)):
                self._find(("splits", key), "must be the name of a split of the training set")
            else:
                found[key] = name
        for key, other in (("calibrate", "fit"), ("test", "fit"), ("test", "calibrate")):
            if found[key] == found[other]:
                self._find(("splits", key), f"must not be {found[key]}, the split of {other}: it is to be held out")
        return found

    def _number(self, key: str, default: int, most: int) -> int:
        value = self._tree.get(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            self._find((key,), f"must be a whole number from 0 to {most}")
            return default
        return value

    def _find(self, path: KeyPath, what: str) -> None:
        problem = Problem(self._file, self._document.line(path), dotted(path), what)
        if problem not in self._problems:
            self._problems.append(problem)
