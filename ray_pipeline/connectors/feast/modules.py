"""Import the Python files of a Feast repository, as Feast's own loader does, and leave no trace of it."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ray_pipeline.errors import Problem

_lock = threading.RLock()


def import_files(folder: Path, files: Sequence[Path]) -> tuple[list[ModuleType], list[Problem]]:
    """Return the modules of the files that can be imported, and what is wrong with the others.

    A file is imported anew at each call, and may import its neighbours by their names below ``folder``. Afterwards
    ``sys.path`` and ``sys.modules`` are as they were. A name that a library has too is the library's again.
    """
    modules: list[ModuleType] = []
    problems: list[Problem] = []
    with _lock, _alone(folder):
        for file in files:
            try:
                modules.append(importlib.import_module(_module_name(folder, file)))
            except (Exception, SystemExit) as error:  # noqa: BLE001  a definition file may raise anything
                problem = _problem(folder, file, error)
                if problem not in problems:  # a neighbour that is broken breaks whoever imports it, at the same line
                    problems.append(problem)
    return modules, problems


def _module_name(folder: Path, file: Path) -> str:
    return ".".join(file.relative_to(folder).with_suffix("").parts)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let the folder's modules be found first, and none of them stay."""
    names = {path.stem if path.suffix == ".py" else path.name for path in folder.iterdir()}
    hidden = {name: module for name, module in sys.modules.items() if name.split(".")[0] in names}
    path, no_bytecode = list(sys.path), sys.dont_write_bytecode
    for name in hidden:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, no_bytecode
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[name]
        sys.modules.update(hidden)


def _problem(folder: Path, file: Path, error: BaseException) -> Problem:
    """The error, at the innermost line of the repository that led to it."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(folder):
        return Problem(error.filename, error.lineno, "", f"is not Python: {error.msg}")
    place, line = str(file), None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(folder):
            place, line = frame.filename, frame.lineno
    said = next((text.strip() for text in str(error).splitlines() if text.strip()), "")
    return Problem(place, line, "", f"{type(error).__name__}: {said}" if said else type(error).__name__)
