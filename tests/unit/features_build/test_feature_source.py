"""What a stranger is told of the features' tables: enough to read them, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ray_pipeline.connectors.iceberg.feature_catalog import feature_settings, feature_source
from tests.curated import config


def test_the_embedded_catalog_is_named_by_its_file(tmp_path: Path) -> None:
    source = feature_source(config(tmp_path), "origin_last_2h")
    assert source == {
        "catalog_type": "sql",
        "catalog_name": "flights",
        "endpoint": f"sqlite:///{tmp_path}/lake/flights/_gate/catalog.db",
        "warehouse": f"{tmp_path}/lake/flights/_features/_warehouse",
        "namespace": "flights_features",
        "table": "origin_last_2h",
        "catalog_properties": {},
    }


@pytest.mark.parametrize(
    "catalog",
    [
        {"type": "sql", "uri": "postgresql+psycopg2://me:hush@host/db?sslpassword=hush", "warehouse": "s3://b/w"},
        {"type": "rest", "uri": "https://me:hush@host/api?token=hush", "token": "hush", "warehouse": "w"},
        {"type": "rest", "uri": "https://host/api", "credential": "id:hush", "oauth2-server-uri": "https://host/o"},
        {"type": "glue", "glue.secret-access-key": "hush", "glue.access-key-id": "hush"},
    ],
)
def test_no_secret_and_no_class_of_ours_is_told(tmp_path: Path, catalog: dict[str, str]) -> None:
    options = {"key": "hush", "secret": "hush", "endpoint_url": "https://s3.example"}
    settings = config(tmp_path, "s3://bucket/lake", catalog=catalog, store_options=options)
    told = json.dumps(feature_source(settings, "v"))
    assert "hush" not in told
    assert "ray_pipeline" not in told
    assert "https://s3.example" in told


def test_a_namespace_of_several_parts_and_a_warehouse_of_its_own_are_kept(tmp_path: Path) -> None:
    catalog = {"type": "sql", "uri": "sqlite:////x.db", "warehouse": "s3://b/w/", "namespace": "team.lake"}
    settings = config(tmp_path, "s3://bucket/lake", catalog=catalog, store_options={"key": "k", "secret": "s"})
    assert feature_settings(settings).namespace == ("team", "lake_features")
    assert feature_settings(settings).warehouse == "s3://b/w/team/lake_features"
    assert feature_source(settings, "v")["namespace"] == "team.lake_features"
