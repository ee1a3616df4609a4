"""What drift detection promises, measured: ``python -m tests.bench.drift [PART …]``; without a part, all of them.

``test`` (false alarms of one column), ``family`` (of many), ``power`` (beside KS), ``time`` (of a verdict),
``evidently`` (its defaults beside ours), ``alarm`` (blocks, k of n), ``sequential`` (errors), ``counting`` (its
share of ingest).
"""

from __future__ import annotations

import sys
import time
from importlib import import_module

PARTS = {
    "time": "drift_time",
    "power": "drift_power",
    "test": "drift_cells",
    "family": "drift_family",
    "evidently": "drift_evidently",
    "alarm": "drift_alarm",
    "sequential": "drift_sequential",
    "counting": "drift_cost",
}


def main(parts: list[str]) -> None:
    if unknown := [part for part in parts if part not in PARTS]:
        sys.exit(f"no part {unknown[0]}: there are {', '.join(PARTS)}")
    for part in parts or PARTS:
        started = time.monotonic()
        import_module(f"tests.bench.{PARTS[part]}").main()
        print(f"({part}: {time.monotonic() - started:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
