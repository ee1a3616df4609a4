"""The README's tables about serving, from the code: print them with ``python -m tests.e2e.readme_model_facts``."""

from __future__ import annotations

from types import SimpleNamespace

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from ray_pipeline.serve.metrics import ServeMetrics
from ray_pipeline.serve.refusal import CODES
from tests.e2e.readme_facts import table

FIELD_CODES = (
    "missing_field",
    "unknown_field",
    "wrong_type",
    "out_of_range",
    "too_long",
    "no_zone",
    "as_of_refused",
    "bad_request_id",
)
"""Of a field that is wrong: :mod:`ray_pipeline.runtime.predictions.request` gives them."""


def statuses() -> list[str]:
    """One row per status code that is no 200."""
    found: dict[int, list[tuple[str, str]]] = {}
    for code, (status, meaning) in CODES.items():
        found.setdefault(int(status), []).append((code, meaning))
    found[422] = [(code, "") for code in FIELD_CODES]
    found[422][0] = (FIELD_CODES[0], "A field is missing, unknown, or not what it must be; `field` names it.")
    rows = [
        (str(status), ", ".join(f"`{code}`" for code, _ in ones), " ".join(meaning for _, meaning in ones if meaning))
        for status, ones in sorted(found.items())
    ]
    return table(("status", "`error.code`", "when"), rows)


def metrics() -> list[str]:
    """One row per metric of a replica, under the name that Prometheus sees."""
    rows = [(f"`{_name(one)}`", one.documentation) for one in _families()]
    return table(("metric", "meaning"), rows)


def _families() -> list[Metric]:
    made = ServeMetrics("late_arrival")
    made.watch_events(lambda: SimpleNamespace(queued=0, delivered=0, failed=0))
    made.watch_turns(lambda: 0, lambda: 0)
    return list(text_string_to_metric_families(made.text().decode()))


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


if __name__ == "__main__":
    for part in (statuses, metrics):
        print("\n".join(part()), end="\n\n")
