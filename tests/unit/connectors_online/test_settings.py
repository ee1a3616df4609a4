"""The ``online_store`` block, as this pipeline reads it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ray_pipeline.connectors.online.redis_address import address
from ray_pipeline.connectors.online.settings import ClockKind, Kind, OnlineSettings, online_settings
from ray_pipeline.errors import ConfigError, UsageError

SQLITE = "ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore"
REDIS = "ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore"


def read(folder: Path, block: str, store: str = "/lake") -> OnlineSettings:
    (folder / "feature_store.yaml").write_text(f"project: shop\nregistry: r.db\nonline_store:\n{block}")
    config: Any = SimpleNamespace(store=store, pipeline="flights")
    return online_settings(folder, config)


def test_a_lake_that_is_a_folder_holds_the_file_when_nothing_else_is_said(tmp_path: Path) -> None:
    settings = read(tmp_path, f"  type: {SQLITE}\n")
    assert settings == OnlineSettings(Kind.SQLITE, "shop", path=Path("/lake/flights/_features/online.db"))
    assert (settings.clock, settings.retain_seconds, settings.timeout) == (ClockKind.WALL, None, 5.0)


def test_everything_can_be_said(tmp_path: Path) -> None:
    more = "  clock: replay\n  retain_seconds: 7200\n  timeout_seconds: 0.5\n"
    settings = read(tmp_path, f"  type: {SQLITE}\n  path: data/../online.db\n{more}")
    assert settings.path == tmp_path / "online.db"
    assert (settings.clock, settings.retain_seconds, settings.timeout) == (ClockKind.REPLAY, 7200.0, 0.5)


def test_variables_are_put_in_as_feast_puts_them_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_AT", "db.example:6379,password=s3cret")
    settings = read(tmp_path, f"  type: {REDIS}\n  connection_string: ${{REDIS_AT}}\n")
    assert settings.connection == "db.example:6379,password=s3cret"
    assert "s3cret" not in repr(settings)


def test_every_problem_is_found_with_its_line(tmp_path: Path) -> None:
    block = f"  type: {SQLITE}\n  pth: x\n  clock: sundial\n  retain_seconds: -1\n  path: ${{NOT_SET_HERE}}/x\n"
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, block)
    assert [(one.line, one.key) for one in caught.value.problems] == [
        (5, "online_store.pth"),
        (8, "online_store.path"),
        (6, "online_store.clock"),
        (7, "online_store.retain_seconds"),
    ]
    assert "did you mean path?" in str(caught.value)


@pytest.mark.parametrize(
    ("block", "store", "sentence"),
    [
        ("  type: sqlite\n", "/lake", "online_store.type: must be one of ours"),
        ("  path: x\n", "/lake", "online_store.type: must be one of ours"),
        (f"  type: {SQLITE}\n", "s3://bucket/lake", "online_store.path: must name a file"),
        (f"  type: {REDIS}\n  path: x\n", "/lake", "online_store.path: unknown key"),
        (f"  type: {SQLITE}\n  timeout_seconds: soon\n", "/lake", "online_store.timeout_seconds: must be a number"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, block: str, store: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read(tmp_path, block, store)


@pytest.mark.parametrize(
    ("written", "url", "shown"),
    [
        ("localhost:6379", "redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("h:1,db=3,ssl=true,username=u@,password=p/w", "rediss://u%40:p%2Fw@h:1/3", "rediss://h:1/3"),
        ("rediss://u:secret@h:1/2?ssl_ca_certs=x", "rediss://u:secret@h:1/2?ssl_ca_certs=x", "rediss://h:1/2"),
        ("redis://[::1]:7/0", "redis://[::1]:7/0", "redis://::1:7/0"),
    ],
)
def test_an_address_is_feasts_or_a_url_and_shows_no_password(written: str, url: str, shown: str) -> None:
    found = address(written)
    assert (found.url, found.shown) == (url, shown)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "written", ["a:1,b:2", "h:1,password=x,passwd=hunter2", "h:1,db=hunter2", "http://hunter2:1/", "h:x"]
)
def test_what_is_no_address_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        address(written)
    assert "hunter2" not in str(caught.value)
