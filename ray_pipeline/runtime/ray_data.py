"""Ray Data as our jobs use it: silent, because they show their own progress, and never dropping a row."""

from __future__ import annotations

import logging
import os
from typing import Any


def quiet_ray_data() -> Any:
    """Import ``ray.data`` and set this process's context for one of our jobs; return the module."""
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = 0  # a block that fails ends the job: it is never left out
    for name in ("ray.data", "ray.data._internal"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return ray.data
