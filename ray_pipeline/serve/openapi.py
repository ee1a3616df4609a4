"""What can be asked, for programs (OpenAPI 3.1) and as a page for people; with the fields of the model that answers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from ray_pipeline.features.reading import Status
from ray_pipeline.features.shape import ValueType
from ray_pipeline.serve.refusal import CODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray_pipeline.config.serve import ServeConfig
    from ray_pipeline.runtime.predictions.request import RequestField
    from ray_pipeline.serve.desk import Version

_TYPES: Final[Mapping[ValueType, Mapping[str, Any]]] = {
    ValueType.INT64: {"type": ["integer", "null"], "format": "int64"},
    ValueType.FLOAT64: {"type": ["number", "null"]},
    ValueType.STRING: {"type": ["string", "null"], "maxLength": 1000},
    ValueType.BOOL: {"type": ["boolean", "null"]},
    ValueType.TIMESTAMP: {"type": ["string", "null"], "format": "date-time"},
}
_KINDS: Final = {
    "key": "Names an entity whose features are read.",
    "request": "A value that features of the request are computed from.",
    "label_key": "What the outcome will be found by. Left out: it will not be looked for.",
}
_REQUEST_ID: Final = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$",
    "description": "The client's own name for the request; one is made where it brings none.",
}
_AS_OF: Final = {
    "type": "string",
    "format": "date-time",
    "description": "The moment asked; left out: the replay's now.",
}
_TEXT: Final = {"type": "string"}


def openapi_document(config: ServeConfig, version: Version | None) -> dict[str, Any]:
    """Return the OpenAPI document; before the first champion it names no fields."""
    name = "the model" if config.model is None else config.model
    secured: dict[str, Any] = {} if config.token is None else {"security": [{"token": []}]}
    components: dict[str, Any] = {"schemas": {"Request": _request(version), "Answer": _ANSWER, "Error": _ERROR}}
    if config.token is not None:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    counted = _page("metrics", "What this replica counts", {"200": {"description": "For Prometheus."}}) | secured
    told = {"200": {"description": "It is so."}, "503": {"description": "It is not; the body says why."}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Predictions of {name}",
            "version": "0" if version is None else str(version.manifest.number),
            "description": f"Answers of the champion of {name}. Each is an event on the topic of {config.predictions}.",
        },
        "paths": {
            "/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": "Ask the model",
                    **secured,
                    "requestBody": {"required": True, "content": _content("Request")},
                    "responses": _responses(),
                }
            },
            "/healthz": {"get": _page("healthz", "Whether the process lives", {"200": {"description": "It does."}})},
            "/readyz": {"get": _page("readyz", "Whether requests are answered", told)},
            "/metrics": {"get": counted},
        },
        "components": components,
    }


def docs_page(document: Mapping[str, Any]) -> str:
    """Return the document as a page without scripts, which needs nothing from elsewhere."""
    info, schema = document["info"], document["components"]["schemas"]["Request"]
    required = set(schema["required"])
    fields = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type_text(one))}</td>"
        f"<td>{'yes' if name in required else ''}</td><td>{escape(one.get('description', ''))}</td></tr>"
        for name, one in schema["properties"].items()
    )
    errors = "".join(
        f"<tr><td>{int(status)}</td><td><code>{escape(code)}</code></td><td>{escape(said)}</td></tr>"
        for code, (status, said) in CODES.items()
    )
    paths = "".join(
        f"<tr><td><code>{escape(method.upper())} {escape(path)}</code></td><td>{escape(one['summary'])}</td></tr>"
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    )
    return _PAGE.format(
        title=escape(info["title"]),
        about=escape(info["description"]),
        version=escape(info["version"]),
        fields=fields,
        errors=errors,
        paths=paths,
    )


def _request(version: Version | None) -> dict[str, Any]:
    fields: tuple[RequestField, ...] = () if version is None else tuple(version.fields)
    properties: dict[str, Any] = {}
    for one in fields:
        said = dict(_TYPES[one.type])
        if one.kind == "label_key":
            said["maxLength"] = 200
        properties[one.name] = said | {"description": _KINDS[one.kind]}
    properties["request_id"] = _REQUEST_ID
    if version is not None and version.replay:
        properties["as_of"] = _AS_OF
    return {
        "type": "object",
        "properties": properties,
        "required": [one.name for one in fields if one.required],
        # Before the first champion nobody knows the fields.
        "additionalProperties": version is None,
    }


def _responses() -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code, (status, said) in CODES.items():
        by_status.setdefault(str(int(status)), []).append(f"{code}: {said}")
    by_status["422"] = ["A field is unknown, missing, or of another type; `field` names it."]
    answers: dict[str, Any] = {"200": {"description": "The model's answer.", "content": _content("Answer")}}
    for number, sentences in sorted(by_status.items()):
        answers[number] = {"description": " ".join(sentences), "content": _content("Error")}
    return answers


def _page(name: str, summary: str, responses: Mapping[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": dict(responses)}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _type_text(schema: Mapping[str, Any]) -> str:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return f"{' or '.join(kinds)}{', ' + schema['format'] if 'format' in schema else ''}"


_ANSWER: Final = {
    "type": "object",
    "required": ["request_id", "probability", "model", "as_of", "status", "features"],
    "properties": {
        "request_id": _TEXT,
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
        "model": {
            "type": "object",
            "required": ["name", "version"],
            "properties": {"name": _TEXT, "version": {"type": "integer"}},
        },
        "as_of": {"type": "string", "format": "date-time", "description": "The moment that the features hold for."},
        "status": {"type": "string", "enum": ["complete", "degraded"]},
        "features": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["value", "status"],
                "properties": {
                    "value": {"type": ["string", "number", "boolean", "null"]},
                    "status": {"type": "string", "enum": [status.value for status in Status]},
                },
            },
        },
    },
}
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": _TEXT, "message": _TEXT, "field": _TEXT},
        },
        "request_id": _TEXT,
    },
}
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }}
code {{ font-size: .9em; overflow-wrap: anywhere; }}
</style></head><body>
<h1>{title}</h1>
<p>{about} Version that answers: <strong>{version}</strong>. For programs: <a href="openapi.json">openapi.json</a>.</p>
<h2>POST /predict</h2>
<p>One JSON object, with <code>Content-Type: application/json</code>.</p>
<table><thead><tr><th>field</th><th>type</th><th>required</th><th>what it is</th></tr></thead>
<tbody>{fields}</tbody></table>
<h2>Paths</h2>
<table><tbody>{paths}</tbody></table>
<h2>When there is no answer</h2>
<p>A field that is wrong gives 422, and the body names it. Everything else:</p>
<table><thead><tr><th>status</th><th>code</th><th>what it means</th></tr></thead><tbody>{errors}</tbody></table>
</body></html>
"""
