"""Read the configuration: the one place that looks at ``configs/`` and at the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ray_pipeline.config.checks import check_tree
from ray_pipeline.config.explain import explain
from ray_pipeline.config.interpolate import interpolate
from ray_pipeline.config.models import PipelineConfig
from ray_pipeline.config.overrides import FILE as OVERRIDE
from ray_pipeline.config.overrides import apply
from ray_pipeline.config.yaml_lines import MAX_BYTES, Document, KeyPath, dotted, parse
from ray_pipeline.errors import ConfigError, Problem

VARIABLE = "RAY_PIPELINE_CONFIG"
DEFAULT = Path("configs/local.yaml")


def load_config(
    path: Path | str | None = None, overrides: Sequence[str] = (), *, environ: Mapping[str, str] | None = None
) -> PipelineConfig:
    """Read one configuration file, or raise ``ConfigError`` with everything that is wrong in it.

    Without ``path`` it is the file that ``RAY_PIPELINE_CONFIG`` names, else ``configs/local.yaml``. Relative paths in
    the file (``store``, ``contract``) count from the file's folder, so that a configuration means the same wherever
    a command is started; relative paths in ``overrides`` (``store=./lake``) count from the current folder, where
    the person who types them is. ``environ`` stands in for the environment in tests.
    """
    env = os.environ if environ is None else environ
    file = Path(path or env.get(VARIABLE) or DEFAULT)
    text = _read(file, chosen=bool(path or env.get(VARIABLE)))
    document = parse(text, str(file))
    if document.problems and document.value is None:
        raise ConfigError(document.problems)
    if not isinstance(document.value, dict):
        raise ConfigError((Problem(str(file), document.line(()), "", "must hold keys and values: pipeline, kafka, …"),))
    return _Loading(file, document, overrides, env).finish()


class _Loading:
    """One pass over one file: problems gather until the end."""

    def __init__(self, file: Path, document: Document, overrides: Sequence[str], environ: Mapping[str, str]) -> None:
        self._file = file
        self._document = document
        self._problems: dict[tuple[KeyPath | str, str], Problem] = {}
        tree, unresolved = interpolate(document.value, environ)
        self._overridden, wrong = apply(tree, overrides)
        self._tree = _without_empty(tree)
        for problem in (*document.problems, *wrong):
            self._problems[(problem.key, problem.message)] = problem
        for at, what in unresolved:
            if at not in self._overridden:
                self._add(at, what)
        self._settled = {at for at, _ in unresolved} - self._overridden

    def finish(self) -> PipelineConfig:
        self._anchor_paths()
        config = None
        try:
            config = PipelineConfig.model_validate(self._tree)
        except ValidationError as error:
            for at, what in explain(error, self._shown):
                self._find(at, what)
        for at, what in check_tree(self._tree):
            self._find(at, what)
        if config is None or self._problems:
            ordered = sorted(self._problems.values(), key=lambda p: (p.file == OVERRIDE, p.line or 0))
            raise ConfigError(tuple(ordered))
        return config

    def _find(self, at: KeyPath, what: str) -> None:
        """Note a problem, unless it is one of a value that never came: a variable that is not set says enough."""
        if at not in self._settled or what.startswith("unknown"):
            self._add(at, what)

    def _add(self, at: KeyPath, what: str) -> None:
        if any(at[: len(path)] == path for path in self._overridden):
            problem = Problem(OVERRIDE, None, dotted(at), what)
        else:
            problem = Problem(str(self._file), self._document.line(at), dotted(at), what)
        self._problems.setdefault((at, what), problem)

    def _anchor_paths(self) -> None:
        for holder, key, at in self._paths():
            base = Path.cwd() if at in self._overridden else self._file.absolute().parent
            value = holder[key]
            if isinstance(value, str) and value and "://" not in value and not value.startswith(("/", "~")):
                holder[key] = str(base / value)

    def _paths(self) -> Iterator[tuple[dict[str, Any], str, KeyPath]]:
        if "store" in self._tree:
            yield self._tree, "store", ("store",)
        datasets = self._tree.get("datasets")
        for name, dataset in datasets.items() if isinstance(datasets, dict) else ():
            if isinstance(dataset, dict) and "contract" in dataset:
                yield dataset, "contract", ("datasets", name, "contract")
        lineage = self._tree.get("lineage")
        for key in ("path", "ca_file") if isinstance(lineage, dict) else ():
            if key in lineage:
                yield lineage, key, ("lineage", key)
        features = self._tree.get("features")
        if isinstance(features, dict) and "repo" in features:
            yield features, "repo", ("features", "repo")
        retrain = self._tree.get("retrain")
        if isinstance(retrain, dict) and "spec" in retrain:
            yield retrain, "spec", ("retrain", "spec")

    def _shown(self, at: KeyPath) -> object:
        """The value at ``at`` as the person wrote it, so that no error shows what a variable held."""
        value: Any = self._tree if at in self._overridden else self._document.value
        for step in at:
            if not isinstance(value, dict):
                return None
            value = value.get(str(step))
        return value


def _without_empty(tree: Any, path: KeyPath = ()) -> Any:
    """Drop keys that were left empty: they mean their default. An option without a value is kept, to be refused."""
    if not isinstance(tree, dict) or path[:1] in (("kafka",), ("store_options",), ("catalog",)):
        return tree
    dataset = len(path) == 1 and path[0] == "datasets"
    return {
        key: _without_empty({} if value is None and dataset else value, (*path, key))
        for key, value in tree.items()
        if value is not None or dataset
    }


def _read(file: Path, chosen: bool) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError((Problem(str(file), None, "", f"larger than {MAX_BYTES} bytes"),))
        return file.read_text("utf-8")
    except FileNotFoundError:
        what = "there is no such file"
        if not chosen:
            what += f" below {Path.cwd()}; name one with --config FILE or {VARIABLE}"
    except UnicodeDecodeError:
        what = "is not UTF-8 text"
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    raise ConfigError((Problem(str(file), None, "", what),))
