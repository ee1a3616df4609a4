"""The model file: nothing but the listed types is made of it, and nothing at all of a file that was changed."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from ray_pipeline.errors import ModelFileError
from ray_pipeline.model import files
from ray_pipeline.model.files import TRUSTED, UnlistedTypesError, dump, load


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(400, 3))
    found[:, 0] = np.arange(400) % 5
    found[::7, 1] = np.nan
    return found


@pytest.fixture(scope="module")
def estimator(rows: np.ndarray) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=5, categorical_features=[0]).fit(rows, rows[:, 2] > 0)


@pytest.fixture(scope="module")
def stored(estimator: HistGradientBoostingClassifier) -> bytes:
    return dump(estimator)[0]


def _load(data: bytes) -> Any:
    return load(data, hashlib.sha256(data).hexdigest(), "late/1")


def _changed(stored: bytes, change: Any) -> bytes:
    """Return the file with its description changed in place by ``change``."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stored)) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            data = old.read(part)
            if part == "schema.json":
                schema = json.loads(data)
                data = json.dumps(change(schema) or schema).encode()
            new.writestr(part, data)
    return out.getvalue()


def test_a_model_comes_back_and_says_the_same(
    stored: bytes, estimator: HistGradientBoostingClassifier, rows: np.ndarray
) -> None:
    assert _load(stored).predict_proba(rows).tobytes() == estimator.predict_proba(rows).tobytes()


def test_the_default_estimator_needs_all_of_the_listed_types_and_no_other(
    estimator: HistGradientBoostingClassifier,
) -> None:
    assert dump(estimator)[1] == TRUSTED


def test_an_estimator_of_other_types_is_not_stored(rows: np.ndarray) -> None:
    forest = RandomForestClassifier(n_estimators=2).fit(rows, rows[:, 2] > 0)
    with pytest.raises(UnlistedTypesError) as caught:
        dump(forest)
    assert caught.value.types == ("sklearn.tree._tree.Tree",)


@pytest.mark.parametrize("place", [0, 1000, -1])
def test_one_changed_byte_is_seen_before_anything_is_read(
    stored: bytes, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_read", lambda *_: pytest.fail("was read"))
    changed = bytearray(stored)
    changed[place] ^= 1
    with pytest.raises(ModelFileError, match="its bytes are not those that the manifest names"):
        load(bytes(changed), hashlib.sha256(stored).hexdigest(), "late/1")


class _Bomb:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> Any:
        return Path.touch, (self.sentinel,)


def test_a_pickle_is_no_model_file(tmp_path: Path) -> None:
    sentinel = tmp_path / "ran"
    with pytest.raises(ModelFileError, match="is no model file"):
        _load(pickle.dumps(_Bomb(sentinel)))
    assert not sentinel.exists()


def _call(module: str, name: str, argument: str, loader: str) -> dict[str, Any]:
    """A description of ``name(argument)``, in skops' words."""
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(argument)}
    words = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [text]}
    return {"__class__": name, "__module__": module, "__loader__": loader, "content": words}


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("builtins", "eval")]
)
def test_a_file_that_would_run_something_names_it_and_runs_nothing(
    stored: bytes, tmp_path: Path, module: str, name: str
) -> None:
    sentinel = tmp_path / "ran"
    call = _call(module, name, f"touch {sentinel}", "ConstructorFromReduceNode")
    hostile = _changed(stored, lambda schema: {**call, "protocol": schema["protocol"]})
    with pytest.raises(ModelFileError, match=rf"holds types that are not listed: {module}\.{name}$"):
        _load(hostile)
    assert not sentinel.exists()


def test_an_unlisted_type_deep_inside_is_found(stored: bytes, tmp_path: Path) -> None:
    sentinel = tmp_path / "ran"

    def change(schema: dict[str, Any]) -> None:
        schema["content"]["content"]["verbose"] = _call(
            "os", "system", f"touch {sentinel}", "ConstructorFromReduceNode"
        )

    with pytest.raises(ModelFileError, match=r"not listed: os\.system"):
        _load(_changed(stored, change))
    assert not sentinel.exists()


def test_an_import_that_does_something_is_not_imported(
    stored: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel = tmp_path / "ran"
    (tmp_path / "hostile_module.py").write_text(f"open({str(sentinel)!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    call = _call("hostile_module", "Thing", "", "ObjectNode")
    with pytest.raises(ModelFileError, match=r"not listed: hostile_module\.Thing"):
        _load(_changed(stored, lambda schema: {**call, "protocol": schema["protocol"]}))
    assert not sentinel.exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 5000])
def test_a_truncated_file_is_refused(stored: bytes, keep: int) -> None:
    with pytest.raises(ModelFileError, match="is no model file"):
        _load(stored[:keep])


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("schema.json", "a.npy", "b.npy"):
            archive.writestr(name, b" " * (1 << 20))
    monkeypatch.setattr(files, "MAX_BYTES", 2 << 20)
    with pytest.raises(ModelFileError, match="would unpack to more than 2 MB"):
        _load(bomb.getvalue())
    monkeypatch.setattr(files, "MAX_BYTES", 4 << 20)
    monkeypatch.setattr(files, "MAX_SCHEMA", 1 << 19)
    with pytest.raises(ModelFileError, match="describes itself in more than"):
        _load(bomb.getvalue())


@pytest.mark.parametrize(
    "schema", [b"", b"{", b"[]", b'{"protocol": 99}', b'{"protocol": 2}', b'{"a":' * 100_000, b"\xff"]
)
def test_a_description_that_is_none_is_refused(schema: bytes) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises(ModelFileError, match="is no model file"):
        _load(out.getvalue())


def test_what_is_no_classifier_is_refused(rows: np.ndarray) -> None:
    from sklearn.linear_model import LinearRegression

    data, _ = dump(LinearRegression().fit(rows[:, [2]], rows[:, 2]))
    with pytest.raises(ModelFileError, match="holds LinearRegression, and no classifier"):
        _load(data)
