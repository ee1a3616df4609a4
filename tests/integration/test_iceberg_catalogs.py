"""Catalogs that do not answer, or cannot be used from here: one sentence, and no secret in it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.connectors.iceberg.catalog import open_catalog
from ray_pipeline.errors import CatalogDeniedError, CatalogUnavailableError
from tests.curated import config, rows
from tests.unit.test_imports import loaded_after, running

SECRET = "hunter2"


class _Answers(BaseHTTPRequestHandler):
    """A REST catalog that gives one answer to everything, and names code to import in it."""

    status = 200

    def do_GET(self) -> None:
        body: dict[str, Any] = {"overrides": {"py-io-impl": "tests.nobody.Evil"}, "defaults": {}}
        if self.status != 200:
            body = {"error": {"message": f"not with {SECRET}", "type": "X", "code": self.status}}
        data = json.dumps(body).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def rest() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def opened(tmp_path: Path, **section: str) -> Any:
    return open_catalog(config(tmp_path, catalog=section)).ensure("departures", rows(1).schema, "at")


def test_an_absent_rest_catalog_can_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnavailableError, match=r"the rest catalog did not .*no usable answer") as raised:
        opened(tmp_path, type="rest", uri="http://127.0.0.1:9", token=SECRET)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "error"), [(401, CatalogDeniedError), (403, CatalogDeniedError), (503, CatalogUnavailableError)]
)
def test_what_a_rest_catalog_refuses_is_said_without_its_words(
    tmp_path: Path, rest: str, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    monkeypatch.setattr(_Answers, "status", status)
    with pytest.raises(error) as raised:
        opened(tmp_path, type="rest", uri=rest, token=SECRET)
    assert SECRET not in str(raised.value)


def test_a_server_cannot_name_code_to_import(tmp_path: Path, rest: str) -> None:
    catalog = open_catalog(config(tmp_path, catalog={"type": "rest", "uri": rest}))
    theirs = catalog._catalog()
    assert theirs.properties["py-io-impl"].startswith("ray_pipeline.")
    assert type(theirs._load_file_io({"py-io-impl": "tests.nobody.Evil"}, "/a")).__name__ == "DurableFileIO"
    catalog.close()


def test_a_table_cannot_name_code_to_import(tmp_path: Path) -> None:
    with open_catalog(config(tmp_path)) as catalog:
        table = catalog.ensure("departures", rows(1).schema, "at")
        file = Path(table.info()["metadata"])
        metadata = json.loads(file.read_text())
        file.write_text(json.dumps({**metadata, "properties": {"py-io-impl": "tests.nobody.Evil"}}))
        assert table.applied == -1
        named = {"write.py-location-provider.impl": "tests.nobody.Evil"}
        file.write_text(json.dumps({**metadata, "properties": named}))
        with pytest.raises(CatalogDeniedError, match=r"its property write\.py-location-provider\.impl imports code"):
            table.publish(0, [], {})


@pytest.mark.skipif("psycopg2" in sys.modules, reason="the driver is installed")
def test_a_database_without_its_driver_says_which_package_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CatalogDeniedError, match="the package psycopg2 is not installed"):
        opened(tmp_path, type="sql", uri=f"postgresql+psycopg2://ann:{SECRET}@127.0.0.1:9/lake")


def test_the_home_folder_of_whoever_runs_it_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__FLIGHTS__URI", "sqlite:////nowhere/c.db")
    monkeypatch.setenv("PYICEBERG_CATALOG__FLIGHTS__PY_IO_IMPL", "tests.nobody.Evil")
    with open_catalog(config(tmp_path)) as catalog:
        catalog.ensure("departures", rows(1).schema, "at")
    assert (tmp_path / "lake" / "flights" / "_gate" / "catalog.db").exists()


def test_pyiceberg_is_imported_by_nobody_who_does_not_publish() -> None:
    looking = "from ray_pipeline.connectors.iceberg import catalog, files, settings, table"
    assert not loaded_after(f"import ray_pipeline.config\n{looking}") & {"pyiceberg", "sqlalchemy"}
    assert not loaded_after(running("--help")) & {"pyiceberg", "sqlalchemy", "pyarrow"}
