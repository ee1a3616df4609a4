"""A run in a notebook: the verdict and its checks as a fragment that brings its own, scoped, styles."""

from __future__ import annotations

from ray_pipeline.sla.result import GateReport

from .choose import run_page
from .page import environment


def repr_html(report: GateReport) -> str:
    """Return what ``GateReport._repr_html_`` shows: the page's head and its checks, no script, no id, no link inside.

    Colours come from the notebook: text is as it is there, and what is coloured is readable on white and on black.
    """
    return environment().get_template("notebook.html.j2").render(page=run_page(report))
