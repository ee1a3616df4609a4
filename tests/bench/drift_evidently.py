"""Evidently's defaults beside ours, on the same samples, one column a table; Evidently in an environment of its own.

The environment is made once, in ``.cache/``, from whatever index the machine is set to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.drift.permutation import Rows, Trial, family_p
from ray_pipeline.drift.pooled import pool
from tests.bench.drift_cells import ALPHA, Cell, raw

VERSION = "0.7.23"
_CACHE = Path(__file__).parents[2] / ".cache" / "evidently"
_SCRIPT = Path(__file__).with_name("evidently_rates.py")
REPEATS = 100
_CASES: tuple[tuple[Cell, float], ...] = (
    *((Cell("ks", 2_000, window, "normal", 0), 0.0) for window in (50, 100, 200, 500, 1_000)),
    (Cell("chi2", 1_000, 1_000, "zipf", 10), 0.0),
    (Cell("chi2", 2_000, 100, "zipf", 10), 0.0),
    (Cell("chi2", 2_000, 200, "zipf", 10), 0.0),
    (Cell("chi2", 1_000, 1_000, "zipf", 50), 0.0),
    (Cell("chi2", 2_000, 100, "zipf", 50), 0.0),
    (Cell("chi2", 2_000, 1_000, "zipf", 50), 0.0),
    *((Cell("ks", 20_000, 1_000, "normal", 0), shift) for shift in (0.05, 0.1, 0.2)),
    *((Cell("ks", 20_000, 20_000, "normal", 0), shift) for shift in (0.05, 0.1)),
)


class EvidentlyUnavailableError(Exception):
    """There is no environment of Evidently here, and none can be made."""


def environment() -> Path:
    """Return the interpreter of Evidently's environment, which is made where it is absent."""
    python = _CACHE / "bin" / "python"
    if _works(python):
        return python
    uv = [str(Path(sys.executable).with_name("uv")), "--no-config", "--system-certs"]
    try:
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_CACHE)],
            # with pandas 3 this version of Evidently does not import
            [*uv, "pip", "install", "--quiet", "--python", str(python), f"evidently=={VERSION}", "pandas<3"],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise EvidentlyUnavailableError(said[-1] if said else type(error).__name__) from None
    if not _works(python):
        raise EvidentlyUnavailableError(f"evidently {VERSION} was installed, and does not import")
    return python


def main(repeats: int = REPEATS) -> None:
    """Print both rates for every case: false alarms, and what was found."""
    print(f"Evidently {VERSION} at its defaults beside ours, one column a table, {repeats} repeats")
    try:
        python = environment()
    except EvidentlyUnavailableError as reason:
        print(f"not run: its environment cannot be made here ({reason})\n", flush=True)
        return
    ours: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (cell, shift) in enumerate(_CASES):
            random = np.random.default_rng([number, 11])
            sides = [
                np.stack([raw(cell, random, rows, moved) for _ in range(repeats)], axis=1)
                for rows, moved in ((cell.reference, 0.0), (cell.window, shift))
            ]
            ours[f"{number:02}"] = sum(_drifts(cell, sides, place) for place in range(repeats))
            np.savez(Path(folder) / f"{number:02}.npz", reference=sides[0], current=sides[1])
        subprocess.run([str(python), "-W", "ignore", str(_SCRIPT), folder], check=True, timeout=3_600)
        theirs = json.loads((Path(folder) / "rates.json").read_text())
    print(f"{'reference':>11}{'window':>9}  {'values':14}{'moved by':>9}{'Evidently':>11}{'ours':>8}")
    for number, (cell, shift) in enumerate(_CASES):
        values = "normal" if cell.kind == "ks" else f"{cell.width} categories"
        rates = (found[f"{number:02}"] / repeats for found in (theirs, ours))
        moved = f"{shift:.2f} sd" if shift else "nothing"
        print(f"{cell.reference:11,}{cell.window:9,}  {values:14}{moved:>9}{next(rates):11.3f}{next(rates):8.3f}")
    print(flush=True)


def _drifts(cell: Cell, sides: list[Any], place: int) -> bool:
    kind = "category" if cell.kind == "chi2" else "number"
    before, after = (pa.chunked_array([pa.array(one[:, place])]) for one in sides)
    trial = Trial("x", cell.kind, Rows(*pool("x", kind, before, after).counts()))
    return bool(family_p([trial], alpha=ALPHA, seed=place) <= ALPHA)


def _works(python: Path) -> bool:
    said = f"import evidently, sys; sys.exit(evidently.__version__ != {VERSION!r})"
    try:
        return (
            subprocess.run([str(python), "-W", "ignore", "-c", said], capture_output=True, timeout=120).returncode == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


if __name__ == "__main__":
    main()
