"""What every test may use: the real servers, started once when a test first asks for them."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# A warm start of every Ray process: the environment may forbid compiled bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# readline, which the main process imports, tells the workers that their terminal has 80 columns.
os.environ.pop("COLUMNS", None)

# How long a drawn example takes says nothing of what a test promises: machines are noisy, and a first call is cold.
settings.register_profile("any machine", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

pytest_plugins = [
    "tests.servers.fixtures_kafka",
    "tests.servers.fixtures_s3",
    "tests.servers.fixtures_ray",
    "tests.servers.fixtures_redis",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests to CI, and to whoever asks for them by ``-m``."""
    if os.environ.get("CI") or config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line a reason what this machine could not run."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        terminalreporter.write_line(f"not run: {count} test(s): {reason.removeprefix('Skipped: ')}")
