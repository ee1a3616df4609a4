"""Nothing that a rule's query asks for beyond its rows is given, by either of the two walls."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ray_pipeline.sla.sql.check_query import check_query
from ray_pipeline.sla.sql.limits import SqlLimits
from ray_pipeline.sla.sql.sandbox import open_sandbox
from ray_pipeline.sla.sql.unit_query import run_unit_query

SCHEMA = pa.schema([("a", pa.int64()), ("s", pa.string()), ("moment", pa.timestamp("us", tz="UTC"))])

LEAVING = [
    "SELECT COUNT(*) FROM read_csv('{file}')",
    "SELECT COUNT(*) FROM read_parquet('{file}')",
    "SELECT COUNT(*) FROM read_text('{file}')",
    "SELECT COUNT(*) FROM read_blob('{file}')",
    "SELECT COUNT(*) FROM read_json('{file}')",
    "SELECT COUNT(*) FROM sniff_csv('{file}')",
    "SELECT COUNT(*) FROM parquet_metadata('{file}')",
    "SELECT COUNT(*) FROM glob('/*')",
    "SELECT COUNT(*) FROM '{file}'",
    "SELECT COUNT(*) FROM 'http://127.0.0.1:9/x.csv'",
    "SELECT COUNT(*) FROM read_csv('http://127.0.0.1:9/x.csv')",
    "COPY unit TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet'",
    "COPY unit FROM '{file}'",
    "ATTACH '{folder}/other.duckdb'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{file}'",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "PRAGMA threads = 4",
    "PRAGMA enable_profiling",
    "SET memory_limit = '10GB'",
    "SET lock_configuration = false",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET temp_directory = '{folder}'",
    "CALL enable_logging('QueryLog', storage = 'file', storage_path = '{folder}')",
    "SELECT getenv('HOME')",
    "SELECT COUNT(*) FROM a_python_variable",
    "SELECT COUNT(*) FROM pandas_scan(1)",
    "CREATE PERSISTENT SECRET s (TYPE http)",
]
"""What the sandbox refuses by itself."""

NOT_ONE_SELECT = [
    "SELECT 1; SELECT 2",
    "SELECT COUNT(*) FROM unit; DROP TABLE unit",
    "DROP TABLE unit",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO f(x) AS x",
    "INSERT INTO unit SELECT * FROM unit",
    "DELETE FROM unit",
    "ATTACH ':memory:' AS other",
    "USE memory",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "DESCRIBE unit",
    "SUMMARIZE unit",
    "CHECKPOINT",
    "SET VARIABLE x = 1",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('unit')",
    "SELECT COUNT(*) FROM duckdb_settings()",
    "SELECT COUNT(*) FROM duckdb_secrets()",
    "SELECT COUNT(*) FROM information_schema.tables",
    "SELECT COUNT(*) FROM main.unit",
    "SELECT current_setting('threads')::INT",
    "SELECT getvariable('x')",
    "SELECT write_log('x')",
    "SELECT error('x')",
    "SELECT sleep_ms(100000)",
    "SELECT pg_sleep(100)",
    "SELECT $1",
    "",
    "not SQL at all",
    "SELECT COUNT(*) FROM ${nothing}",
    "SELECT COUNT(*) FROM unit WHERE a = '\0'",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT " + "1+" * 20_000 + "1",
]

CHANGING = [
    "SELECT random()",
    "SELECT COUNT(*) FROM unit WHERE moment < now()",
    "SELECT COUNT(*) FROM unit WHERE moment < current_date",
    "SELECT COUNT(*) FROM unit WHERE moment < CURRENT_TIMESTAMP",
    "SELECT COUNT(*) FROM unit WHERE moment < current_localtimestamp()",
    "SELECT COUNT(*) FROM unit WHERE age(moment) > INTERVAL 1 DAY",
    "SELECT COUNT(*) FROM unit WHERE moment < ago(INTERVAL 1 DAY)",
    "SELECT COUNT(DISTINCT uuid()) FROM unit",
    "SELECT nextval('x')",
    "SELECT COUNT(*) FROM unit TABLESAMPLE 10%",
    "SELECT COUNT(*) FROM unit USING SAMPLE 10%",
    "SELECT reservoir_quantile(a, 0.5) FROM unit",
    "SELECT list_sum(list_transform([1], lambda x: x + random()))",
]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("query", [*LEAVING, *NOT_ONE_SELECT, *CHANGING])
def test_a_query_that_is_more_than_a_question_to_its_rows_is_refused_in_one_sentence(query: str, tmp_path: Path):
    a_python_variable = pa.table({"a": [1]})
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    query = query.replace("{file}", str(file)).replace("{folder}", str(tmp_path))
    value = run_unit_query(query, [a_python_variable], SCHEMA.empty_table().schema)
    assert value.value is None
    assert value.problem is not None
    assert "\n" not in value.problem and len(value.problem) < 200
    assert check_query(query, SCHEMA) is not None
    assert names(tmp_path) == {"rows.csv"}


@pytest.mark.parametrize("query", CHANGING)
def test_a_query_whose_answer_would_change_from_run_to_run_is_told_so(query: str):
    problem = check_query(query, SCHEMA)
    assert problem is not None
    assert "from run to run" in problem or problem.endswith("which no rule may")


@pytest.mark.parametrize("query", LEAVING)
def test_the_sandbox_holds_without_the_first_wall(query: str, tmp_path: Path):
    import duckdb

    a_python_variable = pa.table({"a": [1]})
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    connection = open_sandbox(SqlLimits(), tmp_path / "unit.duckdb", spill_to=tmp_path / "spill")
    connection.execute("CREATE TABLE unit AS SELECT 1 AS a")
    before = names(tmp_path)
    with pytest.raises(duckdb.Error):
        connection.execute(query.replace("{file}", str(file)).replace("{folder}", str(tmp_path))).fetchall()
    connection.close()
    assert names(tmp_path) - {"out"} <= before
    assert not (tmp_path / "out").exists() or not names(tmp_path / "out")
    assert a_python_variable.num_rows == 1


def test_a_sandbox_on_a_file_opened_for_reading_writes_nothing(tmp_path: Path):
    import duckdb

    open_sandbox(SqlLimits(), tmp_path / "unit.duckdb").close()
    connection = open_sandbox(SqlLimits(), tmp_path / "unit.duckdb", read_only=True)
    with pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("CREATE TABLE x AS SELECT 1")
    connection.close()


def test_the_process_of_a_query_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import subprocess

    from ray_pipeline.sla.sql import query_process

    seen: dict[str, str] = {}
    real = subprocess.Popen

    def watched(*args: object, **kwargs: object) -> object:
        seen.update(kwargs["env"])  # type: ignore[call-overload]
        return real(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setattr(query_process.subprocess, "Popen", watched)
    assert run_unit_query("SELECT MAX(a) FROM unit", [pa.table({"a": [7]})], pa.schema([("a", pa.int64())])).value == 7
    assert "canary" not in "".join(seen.values())
    assert set(seen) <= {"PYTHONPATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
