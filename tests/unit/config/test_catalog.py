"""The section ``catalog``: pyiceberg's names, none that imports code, and no value in any message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.config.catalog import ALLOWED, check_catalog_options
from ray_pipeline.connectors.iceberg.settings import FILE_IO, catalog_settings, nested
from ray_pipeline.errors import ConfigError, UsageError

SECRET = "hunter2"
POSTGRES = f"postgresql+psycopg2://ann:{SECRET}@db/lake"


def made(tmp_path: Path, store: str = "/srv/lake", **more: Any) -> PipelineConfig:
    contract = tmp_path / "c.yaml"
    contract.touch()
    datasets = {"departures": {"contract": contract}}
    return PipelineConfig(
        pipeline="flights", kafka={"bootstrap.servers": "a:1"}, store=store, datasets=datasets, **more
    )


def loaded(tmp_path: Path, section: str, *overrides: str) -> PipelineConfig:
    (tmp_path / "c.yaml").touch()
    (tmp_path / "p.yaml").write_text(
        "pipeline: flights\nkafka: {bootstrap.servers: 'a:1'}\nstore: ./lake\n"
        f"datasets: {{departures: {{contract: c.yaml}}}}\n{section}\n"
    )
    return load_config(tmp_path / "p.yaml", overrides, environ={"TOKEN": SECRET})


@pytest.mark.parametrize(
    ("options", "key", "said"),
    [
        ({"type": "rest", "uri": "https://c", "py-io-impl": "os.System"}, "py-io-impl", "refused: it imports code"),
        ({"type": "rest", "uri": "https://c", "py-catalog-impl": "a.B"}, "py-catalog-impl", "refused: it imports code"),
        ({"type": "rest", "uri": "https://c", "auth.type": "custom"}, "auth.type", "refused: it imports code"),
        ({"s3.retry-strategy-impl": "a.B"}, "s3.retry-strategy-impl", "refused: it imports code"),
        ({"write.py-location-provider.impl": "a.B"}, "write.py-location-provider.impl", "refused"),
        ({"echo": "true"}, "echo", "refused: it writes every statement"),
        ({"type": "rest", "url": "https://c"}, "url", "did you mean uri?"),
        ({"s3.acces-key": "k"}, "s3.acces-key", "did you mean s3.access-key-id?"),
        ({"zzz": "k"}, "zzz", "not on the list"),
        ({"type": "memory"}, "type", "must be one of sql, rest, glue, hive"),
        ({"uri": POSTGRES}, "type", "is required beside uri"),
        ({"type": "sql"}, "uri", "is required for type sql"),
        ({"type": "sql", "uri": "sqlite:///relative.db"}, "uri", "sqlite:////absolute/file.db"),
        ({"type": "sql", "uri": f"mysql+evil://ann:{SECRET}@h/d"}, "uri", "must be postgresql"),
        ({"type": "rest", "uri": f"ftp://ann:{SECRET}@h"}, "uri", "https:// address"),
        ({"type": "hive", "uri": "https://h"}, "uri", "thrift://"),
        ({"type": "rest", "uri": ""}, "uri", "is empty"),
        ({"namespace": "a/b"}, "namespace", "must be names"),
        ({"s3.anonymous": "perhaps"}, "s3.anonymous", "true or false"),
        ({"type": "sql", "uri": POSTGRES, "warehouse": "gs://b"}, "warehouse", "absolute folder or s3://"),
    ],
)
def test_a_wrong_property_is_named_with_what_is_right_and_never_with_its_value(
    options: dict[str, str], key: str, said: str
) -> None:
    problems = dict(check_catalog_options(options))
    assert said in problems[key]
    assert SECRET not in str(problems)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"namespace": "curated.flights"},
        {"type": "sql", "uri": POSTGRES},
        {"type": "sql", "uri": "sqlite:////srv/c.db", "warehouse": "s3://b/w", "name": "shared"},
        {"type": "rest", "uri": "https://c", "warehouse": "w", "credential": "a:b", "header.X-Tenant": "t"},
        {"type": "glue", "glue.region": "eu-west-1"},
    ],
)
def test_a_catalog_by_its_own_names_is_taken(options: dict[str, str]) -> None:
    assert check_catalog_options(options) == []


def test_no_property_on_the_list_imports_code() -> None:
    assert not [name for name in ALLOWED if name.endswith("impl") or name.startswith("auth")]


def test_a_file_says_its_catalog_and_a_problem_has_its_line(tmp_path: Path) -> None:
    config = loaded(tmp_path, "catalog: {type: rest, uri: 'https://c', token: '${TOKEN}', ssl: {cabundle: /ca}}")
    assert config.catalog["token"] == SECRET
    assert SECRET not in repr(config) and SECRET not in config.model_dump_json()
    with pytest.raises(ConfigError, match=r"p\.yaml:5: catalog\.warehose: unknown property; did you mean warehouse\?"):
        loaded(tmp_path, "catalog: {type: rest, uri: 'https://c', warehose: w}")
    with pytest.raises(ConfigError, match=r"--set: catalog\.py-io-impl: refused"):
        loaded(tmp_path, "", "catalog.py-io-impl=a.B")


def test_an_address_with_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    config = made(tmp_path, catalog={"type": "sql", "uri": POSTGRES})
    settings = catalog_settings(config)
    assert settings.properties["uri"] == POSTGRES
    for shown in (repr(config), repr(settings), str(settings), settings.shown, config.model_dump_json()):
        assert SECRET not in shown


def test_a_folder_keeps_its_catalog_beside_the_data(tmp_path: Path) -> None:
    settings = catalog_settings(made(tmp_path))
    assert settings.file == Path("/srv/lake/flights/_gate/catalog.db")
    assert settings.warehouse == "/srv/lake/flights/_gate/_warehouse"
    assert settings.properties["uri"] == "sqlite:////srv/lake/flights/_gate/catalog.db"
    assert (settings.name, settings.namespace) == ("flights", ("flights",))
    assert settings.properties["py-io-impl"] == FILE_IO
    assert catalog_settings(made(tmp_path, catalog={"namespace": "a.b"})).namespace == ("a", "b")


def test_ingest_into_s3_needs_no_catalog_until_somebody_asks(tmp_path: Path) -> None:
    config = made(tmp_path, "s3://bucket/lake")
    with pytest.raises(UsageError, match="the configuration must name one; write catalog"):
        catalog_settings(config)


def test_the_stores_options_are_told_to_the_catalogs_files(tmp_path: Path) -> None:
    options = {"endpoint_url": "http://127.0.0.1:9", "key": "k", "secret": SECRET, "token": "t"}
    options |= {"client_kwargs.region_name": "eu-west-1", "config_kwargs.s3.addressing_style": "virtual"}
    section = {"type": "sql", "uri": POSTGRES, "s3.region": "eu-north-1"}
    properties = catalog_settings(made(tmp_path, "s3://bucket/lake", store_options=options, catalog=section)).properties
    said = {name: value for name, value in properties.items() if name.startswith("s3.")}
    assert said == {
        "s3.endpoint": "http://127.0.0.1:9",
        "s3.access-key-id": "k",
        "s3.secret-access-key": SECRET,
        "s3.session-token": "t",
        "s3.region": "eu-north-1",
        "s3.force-virtual-addressing": "true",
        "s3.connect-timeout": "5",
        "s3.request-timeout": "30",
    }
    assert "py-io-impl" not in properties


def test_the_catalogs_own_identity_replaces_the_stores(tmp_path: Path) -> None:
    options = {"key": "k", "secret": SECRET, "token": "t", "region": "eu-west-1"}
    section = {"type": "sql", "uri": POSTGRES, "s3.access-key-id": "other", "s3.secret-access-key": "x"}
    properties = catalog_settings(made(tmp_path, "s3://bucket/lake", store_options=options, catalog=section)).properties
    assert properties["s3.access-key-id"] == "other"
    assert "s3.session-token" not in properties


def test_encryption_is_asked_of_files_that_can_encrypt(tmp_path: Path) -> None:
    options = {
        "key": "k",
        "secret": SECRET,
        "region": "eu-west-1",
        "s3_additional_kwargs.ServerSideEncryption": "AES256",
    }
    section = {"type": "sql", "uri": POSTGRES}
    properties = catalog_settings(made(tmp_path, "s3://bucket/lake", store_options=options, catalog=section)).properties
    assert properties["s3.server-side-encryption"] == "AES256"
    assert properties["py-io-impl"].endswith("FsspecFileIO")


def test_a_certificate_is_nested_as_pyiceberg_takes_it(tmp_path: Path) -> None:
    section = {"type": "rest", "uri": "https://c", "ssl": {"cabundle": "/ca", "client": {"cert": "/c", "key": "/k"}}}
    properties = nested(catalog_settings(made(tmp_path, catalog=section)).properties)
    assert properties["ssl"] == {"cabundle": "/ca", "client": {"cert": "/c", "key": "/k"}}
