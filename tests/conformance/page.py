"""The page ``DIFFERENCES.md``: what each store answers otherwise, made from a run of the cases.

``python -m tests.conformance.page`` runs every store and writes it; Feast's Ray store takes many minutes. With
``online`` or ``offline`` only that section is made anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conformance import offline, online

PAGE = Path(__file__).parent / "DIFFERENCES.md"
AS_EXPECTED = online.AS_EXPECTED
ONLINE, OFFLINE = "## Online stores", "## Offline stores"
BY_CHANCE = {"dask": {"late correction", "order of labels"}, "ray": {"late correction", "order of labels"}}
"""Offline store → cases that it answers otherwise from run to run."""
ONLY = {"ray, large": ("ttl exceeded", "large integers")}
"""Offline store → the cases that it is asked, where all of them would take too long."""
IN_FEAST = {"large integers beside a null"}
"""Feast's client makes floats of integers among which one is null, before any store of any kind sees them."""

_HEAD = """\
# Where Feast's own stores answer otherwise

Every store is asked the same cases through Feast's own API ({version}); `tests/conformance/online.py` and `offline.py`
have them. This page is made from a run (`python -m tests.conformance.page`), and tests compare it with a fresh one,
for which Feast's Ray store, that takes many minutes, is asked a few of the cases.
What is not listed is answered as expected. Our stores answer everything so, but for what Feast's client does to values
before a store sees them.
"""

Outcomes = Mapping[str, Mapping[str, str]]
"""Store → case → what came."""


def section(title: str, cases: Sequence[Any], outcomes: Outcomes) -> str:
    """Return one section: how many cases each store answers as expected, and every other answer."""
    lines = [title, "", "| store | cases asked | as expected |", "|---|---|---|"]
    lines += [f"| {store} | {len(found)} | {_good(store, found)} |" for store, found in outcomes.items()]
    for store, found in outcomes.items():
        different = list(differences(store, cases, found))
        if different:
            lines += ["", f"### {store}", "", "| what is expected | what came |", "|---|---|", *different]
    return "\n".join([*lines, ""])


def read_section(title: str) -> str:
    """Return one section of the page as it is."""
    text = PAGE.read_text("utf-8")
    if title not in text:
        return ""
    found = text[text.index(title) :]
    end = found.find("\n## ", 1)
    return found if end < 0 else found[: end + 1]


def run_online(folder: Path, address: str) -> Outcomes:
    """Ask every online store."""
    found = {}
    for number, store in enumerate(online.STORES):
        place = folder / f"online-{number}"
        place.mkdir()
        found[store] = online.run(store, place, address)
    return found


def run_offline(folder: Path, only: Mapping[str, Sequence[str]] = ONLY) -> Outcomes:
    """Ask every offline store, those on Ray too; some of them only these cases."""
    found = {}
    for number, store in enumerate(offline.STORES):
        place = folder / f"offline-{number}"
        place.mkdir()
        found[store] = offline.run(store, place, only=only.get(store))
    return found


def _good(store: str, found: Mapping[str, str]) -> int:
    chance = _chance(store)
    return sum(what == AS_EXPECTED and case not in chance for case, what in found.items())


def differences(store: str, cases: Sequence[Any], found: Mapping[str, str]) -> Iterator[str]:
    """Yield a line of the table for each case that a store answers otherwise, among those that it was asked."""
    for case in cases:
        if (what := found.get(case.name)) is None:
            continue
        if case.name in _chance(store):
            yield f"| {case.says} | another answer from run to run |"
        elif what != AS_EXPECTED:
            why = " (Feast's client, before the store sees it)" if case.name in IN_FEAST else ""
            yield f"| {case.says} | {_shown(what)}{why} |"


def _chance(store: str) -> set[str]:
    return BY_CHANCE.get(store.partition(",")[0], set())


def _shown(what: str) -> str:
    """Of an error its kind alone: its text has addresses and paths."""
    kind, colon, _ = what.partition(": ")
    return (
        f"raises {kind}" if colon and re.fullmatch(r"\w+(Error|Exception|Warning)?", kind) else what.replace("|", "/")
    )


def main(wanted: Sequence[str]) -> None:
    """Write the page, or one section of it."""
    import feast

    warnings.simplefilter("ignore")
    made = {title: read_section(title) for title in (ONLINE, OFFLINE) if PAGE.exists()}
    with tempfile.TemporaryDirectory() as folder:
        if "online" in wanted:
            made[ONLINE] = _online(Path(folder))
        if "offline" in wanted:
            made[OFFLINE] = _offline(Path(folder))
    head = _HEAD.format(version=f"Feast {feast.__version__}")
    text = "\n".join([head, *(made[title].strip() + "\n" for title in (ONLINE, OFFLINE) if title in made)])
    PAGE.write_text(text, "utf-8")


def _online(folder: Path) -> str:
    from tests.servers.redis import RedisServer

    server = RedisServer().start()
    try:
        return section(ONLINE, online.CASES, run_online(folder, server.address))
    finally:
        server.stop()


def _offline(folder: Path) -> str:
    from ray_pipeline.runtime.ray_session import ray_session

    with ray_session("local"):
        return section(OFFLINE, offline.CASES, run_offline(folder))


if __name__ == "__main__":
    main(sys.argv[1:] or ("online", "offline"))
