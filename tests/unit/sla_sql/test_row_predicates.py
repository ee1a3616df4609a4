"""Which queries look at one row at a time, and what they then flag."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from ray_pipeline.contracts.load import load_contract
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.measure import RowRef, State, Where
from ray_pipeline.sla.sql.check_query import check_query
from ray_pipeline.sla.sql.errors import RowPredicateError
from ray_pipeline.sla.sql.functions import why_refused
from ray_pipeline.sla.sql.row_functions import ROW_FUNCTIONS
from ray_pipeline.sla.sql.row_predicate import RowPredicate, compile_row_predicate, evaluate_together

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("Price", pa.float64()),
        ("quantity", pa.int32()),
        ("moment", pa.timestamp("us", tz="UTC")),
        ("then", pa.timestamp("ms", tz="UTC")),
        ("aircraft", pa.struct([("tail", pa.string()), ("seats", pa.int32())])),
        ("tags", pa.list_(pa.string())),
        ("_offset", pa.int64()),
    ]
)
CONTRACTS = sorted(Path("contracts/flights").glob("*.odcs.yaml"))
WHERE = Where("orders", 100)


def compiled(query: str, **names: object) -> RowPredicate:
    found = compile_row_predicate(query, SCHEMA, name="orders", **names)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT COUNT(*) FROM ${table} WHERE price < 0", ("Price",)),
        ("SELECT COUNT(*) FROM ${object} WHERE PRICE < 0;", ("Price",)),
        ("select count(1) from orders where price < 0 -- why not", ("Price",)),
        ("SELECT count() FROM Orders AS o WHERE o.price < 0 AND o.aircraft.tail IS NULL", ("Price", "aircraft")),
        ("SELECT COUNT(*) AS n FROM orders WHERE orders.id NOT LIKE 'N%'", ("id",)),
        ("SELECT COUNT(*) FROM ${table} WHERE quantity NOT IN (1, 2) OR price BETWEEN 1 AND 2", ("Price", "quantity")),
        ("SELECT COUNT(*) FROM ${table} WHERE CASE WHEN price > 1 THEN TRY(id::INT) > 1 END", ("Price", "id")),
        ("SELECT COUNT(*) FROM ${table} WHERE TRY_CAST(id AS INT) IS NULL", ("id",)),
        ("SELECT COUNT(*) FROM ${table} WHERE date_diff('minute', moment, \"then\") > 3", ("moment", "then")),
        ("SELECT COUNT(*) FROM ${table} WHERE coalesce(aircraft.seats, 0) + aircraft['seats'] = 3", ("aircraft",)),
        ("SELECT COUNT(*) FROM ${table} WHERE list_contains(tags, 'x') AND len(tags) > 1", ("tags",)),
        ("SELECT COUNT(*) FROM ${table} WHERE _offset < 0", ("_offset",)),
        ("SELECT COUNT(*) FROM ${table} WHERE regexp_matches(id, '^x') AND id IS DISTINCT FROM 'y'", ("id",)),
        ("SELECT COUNT(*) FROM ${table} WHERE nullif(quantity, 1) = 2 AND moment > '2013'", ("moment", "quantity")),
        ("SELECT COUNT(*) FROM ${table} WHERE true", ()),
    ],
)  # fmt: skip
def test_a_count_of_rows_with_a_condition_is_a_predicate(query: str, columns: tuple[str, ...]):
    assert compiled(query).columns == columns
    assert check_query(query, SCHEMA, name="orders") is None


def test_the_placeholder_of_a_column_is_the_rules_property():
    predicate = compiled(
        "SELECT COUNT(*) FROM ${table} WHERE ${column} IS NULL OR ${property} = ''", column=("aircraft", "tail")
    )
    assert predicate.condition == "((aircraft.tail IS NULL) OR (aircraft.tail = ''))"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) FROM ${table}",
        "SELECT COUNT(price) FROM ${table} WHERE price > 1",
        "SELECT COUNT(NULL) FROM ${table} WHERE price > 1",
        "SELECT COUNT(DISTINCT id) FROM ${table} WHERE price > 1",
        "SELECT COUNT(*) FILTER (WHERE price > 1) FROM ${table} WHERE price > 1",
        "SELECT COUNT(*) + 1 FROM ${table} WHERE price > 1",
        "SELECT COUNT(*), 1 FROM ${table} WHERE price > 1",
        "SELECT COUNT(*) OVER () FROM ${table} WHERE price > 1",
        "SELECT SUM(price) FROM ${table} WHERE price > 1",
        "SELECT DISTINCT COUNT(*) FROM ${table} WHERE price > 1",
        "SELECT COUNT(*) FROM ${table} WHERE price > 1 GROUP BY id",
        "SELECT COUNT(*) FROM ${table} WHERE price > 1 GROUP BY ALL",
        "SELECT COUNT(*) FROM ${table} WHERE price > 1 HAVING COUNT(*) > 1",
        "SELECT COUNT(*) FROM ${table} WHERE price > 1 ORDER BY 1",
        "SELECT COUNT(*) FROM ${table} WHERE price > 1 LIMIT 1",
        "SELECT COUNT(*) FROM ${table} WHERE price > 1 QUALIFY row_number() OVER () = 1",
        "SELECT COUNT(*) FROM ${table} AS o, ${table} AS p WHERE o.price > 1",
        "SELECT COUNT(*) FROM ${table} JOIN ${table} AS p USING (id) WHERE true",
        "SELECT COUNT(*) FROM (SELECT * FROM ${table}) WHERE price > 1",
        "SELECT COUNT(*) FROM ${table} AS o(x) WHERE x = ''",
        "WITH c AS (SELECT 1) SELECT COUNT(*) FROM ${table} WHERE price > 1",
        "SELECT COUNT(*) FROM ${table} WHERE price > 1 UNION ALL SELECT 1",
        "SELECT COUNT(*) FROM ${table} WHERE price > (SELECT AVG(price) FROM ${table})",
        "SELECT COUNT(*) FROM ${table} WHERE EXISTS (SELECT 1)",
        "SELECT COUNT(*) FROM ${table} WHERE id IN (SELECT id FROM ${table})",
        "SELECT COUNT(*) FROM ${table} WHERE random() < 0.5",
        "SELECT COUNT(*) FROM ${table} WHERE moment > now()",
        "SELECT COUNT(*) FROM ${table} WHERE moment > current_date",
        "SELECT COUNT(*) FROM ${table} WHERE length(repeat(id, 1000000)) > 1",
        "SELECT COUNT(*) FROM ${table} WHERE len(range(100000)) > 1",
        "SELECT COUNT(*) FROM ${table} WHERE [id, id][1] = ''",
        "SELECT COUNT(*) FROM ${table} WHERE list_sum(list_transform(tags, lambda x: 1)) > 1",
        "SELECT COUNT(*) FROM ${table} WHERE COLUMNS(*) IS NULL",
        "SELECT COUNT(*) FROM ${table} WHERE absent = 1",
        "SELECT COUNT(*) FROM ${table} WHERE orders IS NULL",
        "SELECT COUNT(*) FROM another WHERE price > 1",
        "SELECT COUNT(*) FROM range(10) WHERE true",
        "SELECT COUNT(*) FROM ${table} WHERE $1",
        "SELECT COUNT(*) FROM ${table} TABLESAMPLE 10% WHERE true",
        "no SQL",
    ],
)
def test_whatever_is_more_than_that_is_none(query: str):
    assert compile_row_predicate(query, SCHEMA, name="orders") is None


def test_every_count_of_rows_in_a_contract_of_the_demo_compiles_to_a_predicate():
    """So that the gate can set these rows aside; a share of a day's rows is a warning about the day."""
    assert CONTRACTS
    for path in CONTRACTS:
        contract = load_contract(path)
        for found in yaml.safe_load(path.read_text())["schema"]:
            for rule in found.get("quality", []):
                if rule["type"] == "sql":
                    schema, name = contract.landing_schema, found["name"]
                    assert check_query(rule["query"], schema, name=name) is None
                    predicate = compile_row_predicate(rule["query"], schema, name=name)
                    assert (predicate is not None) == (rule["unit"] == "rows"), rule["id"]
                    assert predicate or rule["severity"] == "warning", rule["id"]


@pytest.mark.parametrize("name", sorted(ROW_FUNCTIONS))
def test_every_function_allowed_in_our_process_is_one_that_duckdb_calls_consistent(name: str):
    from ray_pipeline.sla.sql import duck

    known = duck.rows(
        "SELECT DISTINCT function_type, stability FROM duckdb_functions() WHERE lower(function_name) = ?", [name]
    )
    assert known
    assert all(kind == "macro" or (kind, stability) == ("scalar", "CONSISTENT") for kind, stability in known)
    assert why_refused(name, 2) is None


ROWS = pa.table(
    {
        "id": ["1", "x", None, "4"],
        "Price": [1.0, float("nan"), None, -0.0],
        "_partition": pa.array([3, 3, 3, 3], pa.int32()),
        "_offset": pa.array([7, 8, 9, 10], pa.int64()),
    }
)


def test_flagged_rows_are_named_by_offset_and_counted_from_the_batchs_first_row():
    found = compiled("SELECT COUNT(*) FROM ${table} WHERE price = 0 OR id IS NULL").of(ROWS, WHERE)
    assert (found.rows, found.flagged) == (4, 2)
    assert found.positions.tolist() == [102, 103]
    assert found.examples == (RowRef("orders", 3, 9), RowRef("orders", 3, 10))


def test_a_condition_that_raises_on_a_row_spoils_no_other_and_shows_no_value():
    raising = compiled("SELECT COUNT(*) FROM ${table} WHERE id::INT > 1")
    guarded = compiled("SELECT COUNT(*) FROM ${table} WHERE TRY_CAST(id AS INT) > 1")
    by_case = compiled("SELECT COUNT(*) FROM ${table} WHERE CASE WHEN id <> 'x' THEN id::INT > 1 END")
    secret = ROWS.set_column(0, "id", pa.array(["1", "hunter2", None, "4"]))
    found = evaluate_together([raising, guarded], secret, WHERE)
    assert isinstance(found[raising.id], RowPredicateError)
    assert str(found[raising.id].args[1]).startswith("a value cannot be converted; TRY_CAST gives NULL instead")
    assert "hunter2" not in str(found[raising.id])
    assert raising.id == found[raising.id].id
    assert found[guarded.id] == guarded.of(secret, WHERE)
    assert found[guarded.id].flagged == 1
    with pytest.raises(RowPredicateError, match="cannot be converted"):
        raising.of(secret, WHERE)
    assert by_case.of(ROWS, WHERE).positions.tolist() == [103]


def test_a_file_without_a_column_is_not_judged():
    found = evaluate_together([compiled("SELECT COUNT(*) FROM ${table} WHERE quantity < 1")], ROWS, WHERE)
    (error,) = found.values()
    assert str(error) == "the rows have no column quantity"


def test_a_predicate_is_a_value_and_its_state_survives():
    one = compiled("SELECT COUNT(*) FROM ${table} WHERE price < 0")
    same = compiled("select count(*) from orders o where (o.PRICE) < 0")
    assert one == same and hash(one) == hash(same) and one.id == same.id
    found = one.of(ROWS, WHERE)
    assert one.load(found.state()) == found
    assert one.zero() == FlaggedRows() and one.zero().merge(found) == found
    assert one.load(State({"rows": 0, "flagged": 0, "examples": []}, {"positions": found.positions[:0]})).rows == 0


def test_no_rows_are_no_error():
    predicate = compiled("SELECT COUNT(*) FROM ${table} WHERE id::INT > 1 AND true")
    assert predicate.of(ROWS.slice(0, 0), WHERE) == FlaggedRows()
    assert compiled("SELECT COUNT(*) FROM ${table} WHERE true").of(ROWS, WHERE).flagged == 4


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT COUNT(*) FROM ${table} WHERE prise < 0", 'Referenced column "prise" not found; did you mean "Price"?'),
        ("SELECT COUNT(*) FROM ${table} WHERE aircraft.tale = 1", 'Could not find key "tale" in struct; did you mean'),
        ("SELECT COUNT(*) FROM ${table} WHERE lengt(id) = 1", "Scalar Function with name lengt does not exist"),
        ("SELECT COUNT(*) FROM ${table} WHERE lower(price) = ''", "No function matches"),
        ("SELECT COUNT(*) FROM ${table} WHERE quantity = 'many'", "a value cannot be converted"),
        ("SELECT MAX(id) FROM ${table}", "it answers with VARCHAR; a rule needs a number"),
        ("SELECT MAX(nothing) FROM ${table}", 'Referenced column "nothing" not found'),
        ("SELECT COUNT(*) FROM flights", "it reads from flights; a rule may read only orders"),
        ("SELECT COUNT(*) FROM ${table} WHERE", "the query is not SQL: syntax error"),
        ("SELECT COUNT(*) FROM ${tabel}", "unknown placeholder ${tabel}"),
        ("SELECT COUNT(*) FROM ${table} WHERE ${column} = 1", "${column} stands for no property"),
    ],
)  # fmt: skip
def test_lint_says_what_is_wrong(query: str, said: str):
    problem = check_query(query, SCHEMA, name="orders")
    assert problem is not None
    assert problem.startswith(said)
    assert "\n" not in problem


def test_columns_that_sql_cannot_tell_apart_are_named():
    schema = pa.schema([("a", pa.int64()), ("A", pa.int64()), ("b", pa.int64())])
    said = check_query("SELECT COUNT(*) FROM ${table} WHERE a = 1", schema)
    assert said == "columns a and A differ in case only, which SQL cannot tell apart"
    assert check_query("SELECT COUNT(*) FROM ${table} WHERE b = 1", schema) is None


def test_a_table_and_columns_of_any_name_can_be_judged():
    schema = pa.schema([('od"d', pa.int64()), ("select", pa.int64()), ("a.b", pa.int64())])
    rows = pa.table([[1, 2], [3, 4], [5, 6]], schema=schema)
    predicate = compile_row_predicate(
        'SELECT COUNT(*) FROM ${table} WHERE "od""d" > 1 AND "select" > 3 AND "a.b" > 5', schema, name='x"; DROP'
    )
    assert predicate is not None
    assert predicate.of(rows, WHERE).flagged == 1


def test_nothing_of_duckdb_is_imported_with_the_package():
    import subprocess
    import sys

    names = "check_query, row_predicate, unit_query, sandbox, query_worker"
    code = f"import sys; from ray_pipeline.sla.sql import {names}; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
