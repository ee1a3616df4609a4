"""A run as one HTML file: nothing is fetched, nothing runs, and no name that data brought can change either.

Text is escaped on its way into the page, after what is not printable in it was made visible; drawings are made of
numbers. The policy in the page's head forbids the rest: scripts, frames, forms and every address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from ray_pipeline.sla.result import GateReport
from ray_pipeline.text import visible

from . import drawings
from .choose import run_page
from .words import day_words, instant_words, quantity, seconds_between, share_words

if TYPE_CHECKING:
    from jinja2 import Environment

TEXT_LENGTH = 2000
"""No single text is longer on the page; a name can be as long as its author likes."""
_SCHEMES = ("https:", "http:", "mailto:")


def render(report: GateReport, *, contract_texts: Mapping[str, str] | None = None) -> str:
    """Return the page of a run.

    With ``contract_texts`` (the name of a dataset → the text of its contract) each check links to the line that asks
    for it, at the bottom of the dataset's part.
    """
    page = run_page(report, contract_texts)
    took = seconds_between(report.started_at, report.finished_at)
    return environment().get_template("gate.html.j2").render(page=page, took=took)


@cache
def environment() -> Environment:
    """Return what renders our templates."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("ray_pipeline.report").joinpath("templates")
    made = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "address": lambda url: str(url).removeprefix("mailto:"),
        "breakable": _breakable,
        "day": lambda day: day_words(day, year=True),
        "instant": instant_words,
        "json": lambda value: json.dumps(value, ensure_ascii=False, default=str),
        "linkable": linkable,
        "seconds": lambda seconds: quantity(seconds, "s"),
        "sentence": lambda text: text[:1].upper() + text[1:],
        "share": share_words,
        "thousands": lambda rows: f"{rows:,}",
    }
    made.globals |= {"cell": drawings.cell, "mark": drawings.mark}
    return made


def linkable(url: str) -> bool:
    """Return whether an address that a contract names may become a link: the web or mail, and plain in every letter."""
    return url.lower().startswith(_SCHEMES) and url.isprintable() and " " not in url


def _breakable(name: str) -> Markup:
    """Return a name that may be folded after an underscore, where a narrow page must fold it somewhere."""
    return Markup("_<wbr>").join(escape(part) for part in str(_finalize(name)).split("_"))


def _finalize(value: Any) -> Any:
    """Make what stands in foreign text visible, and no formula of a sheet that a table is copied to.

    What is markup already was made by us.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = visible(value if len(value) <= TEXT_LENGTH else value[:TEXT_LENGTH] + " …")
    return "'" + text if text.startswith(("=", "+", "@")) else text
