"""Every notebook runs from top to bottom where it lies, and is kept without what a run left in it."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_the_notebooks_are_found():
    assert [path.name for path in NOTEBOOKS] == [
        "01_validate.ipynb",
        "02_gate.ipynb",
        "03_features.ipynb",
        "04_model.ipynb",
        "05_loop.ipynb",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs_and_its_first_code_cell_holds_the_parameters(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.get("outputs") or cell.get("execution_count") for cell in code] == [None] * len(code)
    assert code[0].metadata["tags"] == ["parameters"]
    assert notebook.cells[0].cell_type == "markdown"


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_in_its_own_folder_and_leaves_nothing_behind(path, tmp_path, monkeypatch, request):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("RAY_ADDRESS", "RAY_PIPELINE_CONFIG", "LAKE", "KAFKA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("IPYTHONDIR", str(home / ".ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
    before = _files(path.parent)

    notebook = nbformat.read(path, as_version=4)
    _set_parameters(notebook, request)
    nbclient.NotebookClient(
        notebook, timeout=120, allow_errors=False, resources={"metadata": {"path": str(path.parent)}}
    ).execute()

    assert _files(path.parent) == before
    assert not (home / ".ray").exists(), "the token of a private Ray lives in its processes only"


def _set_parameters(notebook, request):
    """Give the lake of the suite's own demo to a notebook that asks for one; without it, it would make it."""
    parameters = next(cell for cell in notebook.cells if cell.cell_type == "code")
    if "\nlake = " in parameters.source:
        demo = request.getfixturevalue("demo")
        demo.restore()
        parameters.source += f"\nlake = {demo.lake!r}"


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))
