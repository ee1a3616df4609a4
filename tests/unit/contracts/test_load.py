"""Loading a contract: all problems at once, nothing fetched, nothing executed."""

from __future__ import annotations

import hashlib
import pickle
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ray_pipeline.contracts.lint import lint, lint_text
from ray_pipeline.contracts.load import load_contract, parse_contract
from ray_pipeline.contracts.model import DataContract, Limits
from ray_pipeline.errors import ContractError, UsageError
from ray_pipeline.types import ContractRef

from .builders import contract_text

ID = {"name": "id", "logicalType": "string", "required": True}
AT = {"name": "at", "logicalType": "timestamp", "required": True}


def problems(text: str, file: str = "a.yaml", **options: Any) -> list[str]:
    with pytest.raises(ContractError) as caught:
        parse_contract(text, file, **options)
    return [str(problem) for problem in caught.value.problems]


def test_identity_is_the_contract_s_own_and_the_hash_of_its_text(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    text = contract_text([ID], name="Orders")
    file.write_text(text)
    contract = load_contract(file)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert contract.ref == ContractRef("a", "1.0.0", digest)
    assert (contract.name, contract.dataset, contract.kind, contract.text) == ("Orders", "t", "odcs", text)
    assert contract == parse_contract(text, "elsewhere.yaml")
    assert len({contract, parse_contract(text, "elsewhere.yaml")}) == 1


def test_the_terms_of_the_object_win_over_those_of_the_contract() -> None:
    terms = {"eventTime": "at", "content": "open", "tombstones": "skip", "landHeaders": True, "maxBytes": 10,
             "rowsIndependent": True}  # fmt: skip
    general = [{"property": "content", "value": "closed"}, {"property": "subMicroseconds", "value": "truncate"},
               {"property": "maxDepth", "value": 7}]  # fmt: skip
    contract = parse_contract(contract_text([AT], terms=terms, customProperties=general), "a.yaml")
    assert (contract.event_time, contract.tombstones, contract.land_headers) == ("at", "skip", True)
    assert contract.rows_independent
    assert (contract.sub_microseconds, contract.limits) == ("truncate", Limits(max_bytes=10, max_depth=7))
    assert contract.shape.open  # type: ignore[union-attr]
    assert "additionalProperties" not in contract.json_schema  # type: ignore[operator]


def test_terms_of_other_vendors_are_left_alone() -> None:
    theirs = [{"property": "maxBytes", "value": "many", "vendor": "acme"}, {"property": "zone", "value": {"a": [1]}}]
    contract = parse_contract(contract_text([ID], customProperties=theirs), "a.yaml")
    assert (contract.limits, contract.warnings) == (Limits(), ())


def test_content_is_closed_at_every_level_unless_the_contract_says_open() -> None:
    inner = {"name": "o", "logicalType": "object", "required": True, "properties": [ID]}
    schema: Any = parse_contract(contract_text([inner]), "a.yaml").json_schema
    assert schema["additionalProperties"] is False
    assert schema["properties"]["o"]["additionalProperties"] is False


def test_a_primary_key_is_required() -> None:
    schema: Any = parse_contract(contract_text([ID | {"required": False, "primaryKey": True}]), "a.yaml").json_schema
    assert schema["required"] == ["id"]
    assert schema["properties"]["id"]["type"] == "string"


def test_one_of_several_objects_is_chosen_by_name() -> None:
    objects = [{"name": "orders", "properties": [ID]}, {"name": "refunds", "properties": [AT]}]
    text = contract_text([], schema=objects)
    assert parse_contract(text, "a.yaml", object_name="refunds").landing_schema.names == ["at"]
    assert "there are: orders, refunds" in problems(text, object_name="returns")[0]
    assert "choose one of them by name: orders, refunds" in problems(text)[0]
    assert lint_text(text, "a.yaml") == ()


def test_a_contract_travels_and_its_judge_stays_behind() -> None:
    contract = parse_contract(contract_text([ID]), "a.yaml")
    contract.__dict__["_judge"] = lambda: None  # what cannot be pickled
    copy = pickle.loads(pickle.dumps(contract))
    assert copy == contract
    assert "_judge" not in copy.__dict__


def test_a_contract_cannot_be_changed() -> None:
    contract = parse_contract(contract_text([ID]), "a.yaml")
    with pytest.raises(AttributeError):
        contract.version = "2"  # type: ignore[misc]


def test_a_contract_says_what_it_is() -> None:
    contract = parse_contract(contract_text([ID, AT]), "a.yaml")
    assert repr(contract).startswith("<DataContract 'a' version 1.0.0 (odcs): 't', 2 columns, digest ")
    html = parse_contract(contract_text([ID | {"name": "<b>"}]), "a.yaml")._repr_html_()
    assert "<code>&lt;b&gt;</code>" in html


def test_the_format_of_a_string_may_be_a_remark_but_a_type_never_is() -> None:
    members = [ID | {"logicalTypeOptions": {"format": "email"}}, {"name": "d", "logicalType": "date", "required": True}]
    schema: Any = parse_contract(contract_text(members), "a.yaml", formats="annotate").json_schema
    assert schema["properties"] == {"id": {"type": "string"}, "d": {"type": "string", "format": "date"}}
    assert parse_contract(contract_text(members), "a.yaml", formats="annotate").formats == "assert"


@pytest.mark.parametrize("make", [lambda p: p / "absent.yaml", lambda p: p])
def test_a_path_without_a_file_was_asked_wrongly(tmp_path: Path, make: Any) -> None:
    for ask in (load_contract, lint):
        with pytest.raises(UsageError):
            ask(make(tmp_path))


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff\xfe", "not UTF-8"), (b"a" * 2_000_000, "larger than"), (b"", "empty")]
)
def test_a_file_of_any_bytes_is_one_problem(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    (problem,) = lint(file)
    assert words in problem.message
    with pytest.raises(ContractError):
        load_contract(file)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + contract_text([ID]).encode())
    assert load_contract(file) == parse_contract(contract_text([ID]), "a.yaml")


def test_templates_stay_text() -> None:
    description = {"purpose": "${HOME} {{ 1 + 1 }} $(id)"}
    assert "${HOME}" in parse_contract(contract_text([ID], description=description), "a.yaml").text


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ('{"$id": "https://x.y/z#", "version": "7", "title": "Z"}', ("https://x.y/z", "7", "Z", 2020)),
        ('{"$schema": "http://json-schema.org/draft-04/schema#", "id": "u:z"}', ("u:z", None, "s.json", 4)),
        ('{"$schema": "http://json-schema.org/draft-06/schema"}', ("s.json", None, "s.json", 6)),
        ('{"$schema": "http://json-schema.org/draft-07/schema#", "version": 3}', ("s.json", None, "s.json", 7)),
        ('{"$schema": "https://json-schema.org/draft/2019-09/schema"}', ("s.json", None, "s.json", 2019)),
        ("{}", ("s.json", None, "s.json", 2020)),
        ("true", ("s.json", None, "s.json", 2020)),
    ],
)  # fmt: skip
def test_a_bare_schema_is_known_by_its_id_and_draft(text: str, identity: tuple[str, str | None, str, int]) -> None:
    contract = parse_contract(text, "folder/s.json")
    assert (contract.id, contract.name, contract.draft) == (identity[0], identity[2], identity[3])
    assert contract.version == (identity[1] or f"0+{contract.digest[:12]}")
    assert contract.kind == "json-schema"


def test_a_metaschema_may_come_from_the_resources() -> None:
    mine = {"$id": "http://x.y/meta", "$schema": "http://json-schema.org/draft-07/schema#", "required": ["title"]}
    contract = parse_contract(
        '{"$schema": "http://x.y/meta", "title": "t"}', "s.json", resources={"http://x.y/meta": mine}
    )
    assert contract.draft == 7
    assert (
        "title: missing" in problems('{"$schema": "http://x.y/meta"}', "s.json", resources={"http://x.y/meta": mine})[0]
    )
    assert "nor in resources" in problems('{"$schema": "http://x.y/meta"}', "s.json")[0]


def test_a_reference_reaches_the_resources_and_the_draft_s_metaschema_only() -> None:
    text = '{"properties": {"a": {"$ref": "http://x.y/a.json#/$defs/n"}}}'
    resources = {"http://x.y/a.json": {"$defs": {"n": {"type": "integer"}}}}
    assert isinstance(parse_contract(text, "s.json", resources=resources), DataContract)
    assert "nothing is fetched" in problems(text, "s.json")[0]
    parse_contract('{"$ref": "https://json-schema.org/draft/2020-12/schema"}', "s.json")


def test_nothing_is_ever_fetched(tmp_path: Path) -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "local.json").write_text("true")
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        remote = f"http://127.0.0.1:{server.server_port}/x.json"
        for reference in (remote, (tmp_path / "local.json").as_uri(), "local.json", str(tmp_path / "local.json")):
            found = problems(
                f'{{"$id": "{tmp_path.as_uri()}/s.json", "$ref": "{reference}"}}', str(tmp_path / "s.json")
            )
            assert reference in found[0]
        assert "nor in resources" in problems(f'{{"$schema": "{remote}"}}', "s.json")[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert asked == []


def test_the_same_term_read_twice_is_the_same_contract_only_when_asked_the_same() -> None:
    text = '{"type": "string", "format": "date"}'
    assert parse_contract(text, "s.json") != parse_contract(text, "s.json", formats="annotate")
    with pytest.raises(UsageError):
        parse_contract(text, "s.json", formats="maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (b"{}", "give a list of records"),
        ("{}", "give a list of records"),
        (["{}"], "not str; encode it"),
        ([{}], "not dict"),
    ],
)
def test_records_that_are_no_bytes_are_refused_in_a_sentence(records: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        parse_contract("{}", "s.json").validate(records)


@pytest.mark.parametrize(
    ("term", "meant"), [("contnet", "content"), ("max_bytes", "maxBytes"), ("tombstone", "tombstones"), ("owner", None)]
)
def test_a_term_that_is_nearly_ours_is_named_in_a_warning(term: str, meant: str | None) -> None:
    warnings = parse_contract(contract_text([ID], terms={term: "open"}), "a.yaml").warnings
    assert [w.message for w in warnings] == ([f"{term} is not read; did you mean {meant}?"] if meant else [])
