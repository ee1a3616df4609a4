"""The ``lineage`` section: off by default, one way out, and its token never shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ray_pipeline.errors import ConfigError
from tests.unit.config.conftest import GOOD, Load

CANARY = "hunter2canary"


def test_nobody_is_told_by_default(load: Load) -> None:
    lineage = load().lineage
    assert (lineage.transport, lineage.timeout, lineage.namespace) == ("none", 5.0, None)


def test_a_relative_path_counts_from_the_file_that_says_it(load: Load, folder: Path) -> None:
    lineage = load(GOOD + "lineage: {transport: file, path: ../events.ndjson}\n").lineage
    assert lineage.path == folder / "events.ndjson"
    (folder / "configs" / "ca.pem").write_text("")
    lineage = load(GOOD + "lineage: {transport: http, url: 'https://h', ca_file: ca.pem}\n").lineage
    assert lineage.ca_file == folder / "configs" / "ca.pem"


def test_a_path_on_the_command_line_counts_from_the_current_folder(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lineage = load(GOOD, "lineage.transport=file", "lineage.path=events.ndjson").lineage
    assert lineage.path == tmp_path / "events.ndjson"


def test_the_token_is_read_and_never_shown(load: Load) -> None:
    text = GOOD + "lineage: {transport: http, url: 'http://marquez:5000', token: '${TOKEN}'}\n"
    config = load(text, TOKEN=CANARY)
    assert config.lineage.token is not None
    assert config.lineage.token.get_secret_value() == CANARY
    assert pickle.loads(pickle.dumps(config)) == config
    for shown in (repr(config), str(config.model_dump()), config.model_dump_json()):
        assert CANARY not in shown


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("{transport: kafka}", "lineage.transport: must be 'none', 'file' or 'http', got kafka"),
        ("{transport: file}", "lineage: transport file needs path"),
        ("{transport: http}", "lineage: transport http needs url"),
        ("{path: /tmp/x}", "lineage: transport none takes no path"),
        ("{transport: http, url: 'http://h', path: /tmp/x}", "lineage: transport http takes no path"),
        ("{transport: file, path: /tmp/x, token: abc}", "lineage: transport file takes no token"),
        ("{transport: file, path: 's3://b/x'}", "lineage.path: must be a file's path"),
        ("{transport: http, url: 'ftp://h'}", "lineage.url: must be http://host:port or https://host"),
        ("{transport: http, url: 'http://h:99999'}", "lineage.url: must be http://host:port or https://host"),
        ("{transport: http, url: 'http://h/?a=1'}", "lineage.url: must not have a query"),
        ("{transport: http, url: 'https://h', ca_file: absent.pem}", "lineage.ca_file: there is no such file"),
        ("{timeout: 0}", "lineage.timeout: must be above 0"),
        ("{timeout: 61}", "lineage.timeout: must be at most 60"),
        ("{namespace: ''}", "lineage.namespace: "),
        ("{tranport: file}", "lineage.tranport: unknown key; did you mean transport?"),
        ("[]", "lineage: must be a mapping of keys to values"),
    ],
)
def test_a_mistake_is_named_with_its_key(load: Load, section: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(GOOD + f"lineage: {section}\n")
    problem = caught.value.problems[0]
    assert sentence in str(problem)
    assert problem.line == GOOD.count("\n") + 1


@pytest.mark.parametrize(
    "section",
    [
        "{transport: http, url: 'http://ann:%s@h'}",
        "{transport: http, url: 'http://%s@h'}",
        "{transport: http, url: '%s'}",
        "{transport: http, url: 'http://h', token: '%s x'}",
        '{transport: http, url: "http://h", token: "%s\\r\\nX-Evil: 1"}',
    ],
)
def test_no_error_shows_a_literal_credential(load: Load, section: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(GOOD + f"lineage: {section % CANARY}\n")
    assert CANARY not in str(caught.value) + repr(caught.value)


def test_a_key_in_the_wrong_place_is_told_its_own(load: Load) -> None:
    with pytest.raises(ConfigError, match="transport: unknown key here; it belongs below lineage"):
        load(GOOD + "transport: file\n")
