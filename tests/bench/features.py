"""Everything about features that has a goal, one part after the other, as ratios of the same run.

    python -m tests.bench.features [part, default all: build, online, pit, stream]

Each part can be run by itself with other sizes too: ``python -m tests.bench.features_build`` and so on.
"""

from __future__ import annotations

import subprocess
import sys

PARTS = ("build", "online", "pit", "stream")


def main(parts: tuple[str, ...] = PARTS) -> None:
    """Run each part in a process of its own: what one leaves in memory is not in the figures of the next."""
    for part in parts:
        print(f"\nfeatures, {part}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.features_{part}"], check=True)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PARTS)
