"""Run by the interpreter of an environment of Evidently's own: how many columns of some tables its defaults call drift.

``python evidently_rates.py FOLDER`` reads ``<case>.npz`` (``reference`` and ``current``, a column for each repeat) and
writes ``rates.json``: case → columns that drift. It imports nothing of this repository.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    import numpy as np
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    found = {}
    for file in sorted(folder.glob("*.npz")):
        data = np.load(file)
        names = [f"c{place}" for place in range(data["reference"].shape[1])]
        reference, current = (pd.DataFrame(data[side], columns=names) for side in ("reference", "current"))
        said = Report([DataDriftPreset()]).run(current, reference).dict()
        found[file.stem] = int(said["metrics"][0]["value"]["count"])
    (folder / "rates.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
