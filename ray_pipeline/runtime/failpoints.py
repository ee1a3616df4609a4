"""Named points of the protocol at which a test may end the process, as SIGKILL would.

``RAY_PIPELINE_FAILPOINT=after_log_put:3`` ends it at the third time that it passes there; ``once-file`` in
``RAY_PIPELINE_FAILPOINT_ONCE`` makes one process of many do it, once. Without the variable nothing is looked at.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

NAMES = (
    "after_consume",
    "during_claim",
    "after_upload",
    "before_log_put",
    "after_log_put",
    "before_dlq_commit",
    "after_dlq_commit",
    "after_offset_commit",
)

FEATURE_NAMES = (
    "after_feature_fold",
    "before_feature_write",
    "between_feature_writes",
    "after_feature_write",
)

GATE_NAMES = (
    "gate_leased",
    "gate_measured",
    "gate_files_written",
    "gate_decided",
    "before_snapshot_manifests",
    "before_snapshot_commit",
    "after_snapshot_commit",
    "gate_published",
    "gate_reported",
)

BUILD_NAMES = (
    "features_planned",
    "features_computed",
    "before_snapshot_manifests",
    "before_snapshot_commit",
    "after_snapshot_commit",
    "features_published",
)


def failpoints() -> Callable[[str], None]:
    """Return what the protocol calls with the name of each point that it passes."""
    wanted, _, count = os.environ.get("RAY_PIPELINE_FAILPOINT", "").partition(":")
    if not wanted:
        return lambda _name: None
    known = (*NAMES, *FEATURE_NAMES, *GATE_NAMES, *BUILD_NAMES)
    if wanted not in known:
        raise ValueError(f"RAY_PIPELINE_FAILPOINT names {wanted!r}, and there are {', '.join(known)}")
    once = os.environ.get("RAY_PIPELINE_FAILPOINT_ONCE")
    left = int(count or 1)

    def passes(name: str) -> None:
        nonlocal left
        if name != wanted:
            return
        left -= 1
        if left == 0 and _first(once):
            os.kill(os.getpid(), signal.SIGKILL)

    return passes


def _first(once: str | None) -> bool:
    """Say whether no process has died here before us."""
    if once is None:
        return True
    try:
        Path(once).open("x").close()
    except FileExistsError:
        return False
    return True
