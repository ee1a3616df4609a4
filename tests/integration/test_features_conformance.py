"""The online stores against one suite of cases, and the page that lists where Feast's own differ."""

from __future__ import annotations

import gc
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import offline, online
from tests.conformance.page import (
    IN_FEAST,
    OFFLINE,
    ONLINE,
    PAGE,
    differences,
    read_section,
    run_offline,
    run_online,
    section,
)
from tests.servers.redis import RedisServer


@pytest.fixture(autouse=True)
def _their_warnings() -> Iterator[None]:
    """Feast's stores call what their libraries have deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()  # Feast's Redis store leaves connections open, which then say so


@pytest.mark.parametrize("store", online.OURS)
def test_our_online_stores_answer_every_case(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    address = ""
    if store in online.ON_REDIS:
        server: RedisServer = request.getfixturevalue("redis_server")
        address = server.address
    found = online.run(store, tmp_path, address)
    assert {case: what for case, what in found.items() if what != online.AS_EXPECTED}.keys() == IN_FEAST


def test_the_page_says_what_the_online_stores_answer(tmp_path: Path, redis_server: RedisServer) -> None:
    fresh = section(ONLINE, online.CASES, run_online(tmp_path, redis_server.address))
    assert read_section(ONLINE).strip() == fresh.strip()


def test_feasts_own_stores_are_shown_to_differ() -> None:
    page = PAGE.read_text("utf-8")
    for case in online.CASES:
        if case.name == "out of order":
            assert f"| {case.says} | 10 PRESENT instead of 11 PRESENT |" in page


def test_the_offline_stores_are_shown_to_differ_and_ours_are_not() -> None:
    """The page from its last run; a fresh one takes minutes."""
    shown = dict(re.findall(r"^\| ([\w ,]+) \| (\d+ \| \d+) \|$", read_section(OFFLINE), re.MULTILINE))
    every = len(offline.CASES)
    assert list(shown) == list(offline.STORES)
    assert shown["ours"] == shown["ours on Ray"] == f"{every} | {every}"
    assert int(shown["ray"].split(" | ")[1]) < every


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_the_page_says_what_the_offline_stores_answer(tmp_path: Path, local_ray: None) -> None:
    some = {"ray": ("newest", "ttl exceeded", "microseconds"), "ray, large": ("large integers",)}
    fresh = dict(run_offline(tmp_path, some))
    page = read_section(OFFLINE)
    for store, cases in some.items():
        found = fresh.pop(store)
        assert found.keys() == set(cases)
        part = page[page.index(f"### {store}\n") :].split("\n### ")[0]
        assert {line for line in part.splitlines() if line.startswith("| ")} >= set(
            differences(store, offline.CASES, found)
        )
        expected = {case.says for case in offline.CASES if found.get(case.name) == online.AS_EXPECTED}
        assert not [says for says in expected if f"| {says} |" in part]
    assert set(section(OFFLINE, offline.CASES, fresh).splitlines()) <= set(page.splitlines())
