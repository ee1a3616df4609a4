"""ODCS logical types of one value: text, numbers, booleans, vectors. Times and containers have files of their own."""

from __future__ import annotations

from typing import Any, Final

import jsonschema_rs

from . import keywords
from .engine import pattern_problem
from .odcs_options import Compiled, Options
from .schema_errors import nearest
from .shape import Boolean, Integer, ListOf, Number, Text

_INTEGERS: Final = {
    "i8": (-(2**7), 2**7 - 1, 32),
    "i16": (-(2**15), 2**15 - 1, 32),
    "i32": (-(2**31), 2**31 - 1, 32),
    "i64": (-(2**63), 2**63 - 1, 64),
    "u8": (0, 2**8 - 1, 32),
    "u16": (0, 2**16 - 1, 32),
    "u32": (0, 2**32 - 1, 64),
}
"""Format → smallest, largest, bits of the column."""
_TOO_WIDE: Final = ("i128", "u64", "u128")
_FLOAT32_MAX: Final = 3.4028234663852886e38
_BFLOAT16_MAX: Final = 3.3895313892515355e38
_FLOAT16_MAX: Final = 65504.0
_FORMATS: Final = (
    "date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri",
    "iri-reference", "json-pointer", "regex", "relative-json-pointer", "time", "uri", "uri-reference", "uri-template",
    "uuid",
)  # fmt: skip
"""What jsonschema-rs asserts under 2020-12."""
_ADVICE: Final = ("distanceMetric", "embeddingModel", "embeddingModelVersion")


def string(options: Options, *, assert_formats: bool) -> Compiled:
    """Text, by length, pattern and format."""
    schema: dict[str, Any] = {"type": "string"}
    for name in ("minLength", "maxLength"):
        if (length := options.take(name, int, float)) is not None:
            schema[name] = int(length)
    pattern = options.take("pattern", str)
    if pattern is not None:
        reason = pattern_problem(pattern)
        if reason:
            options.refuse("pattern", f"{pattern!r} {reason}")
        else:
            schema["pattern"] = pattern
    form = options.take("format", str)
    if form is not None and form not in _FORMATS:
        hint = nearest(form, _FORMATS) or f"; known: {', '.join(_FORMATS)}; or say it as a pattern"
        options.refuse("format", f"{form!r} is no format that a record can be checked for{hint}")
    elif form is not None and assert_formats:
        schema["format"] = form
    return Compiled(schema, Text())


def boolean(_options: Options) -> Compiled:
    """True or false; no option has a meaning."""
    return Compiled({"type": "boolean"}, Boolean())


def integer(options: Options) -> Compiled:
    """A whole number within its format's range; without a format that of 64 bits."""
    form = options.take("format", str) or "i64"
    if form in _TOO_WIDE:
        options.refuse("format", f"{form} does not fit a 64-bit column; use logicalType: string with a pattern")
    low, high, bits = _INTEGERS.get(form, _INTEGERS["i64"])
    return Compiled({"type": "integer"} | _range(options, low, high), Integer(bits))


def number(options: Options) -> Compiled:
    """Any number that a double can hold; f32 narrows the range, not the digits."""
    form = options.take("format", str)
    low, high = (-_FLOAT32_MAX, _FLOAT32_MAX) if form == "f32" else (None, None)
    return Compiled({"type": "number"} | _range(options, low, high), Number())


def vector(options: Options) -> Compiled:
    """A fixed number of numbers → a list column."""
    element = options.take("elementType", str) or "float32"
    items, shape = _ELEMENTS.get(element, _ELEMENTS["float32"])
    schema: dict[str, Any] = {"type": "array", "items": dict(items)}
    dimensions = options.take("dimensions", int, float)
    if dimensions is None:
        options.refuse("dimensions", "missing; say how many numbers a vector has")
    else:
        schema |= {"minItems": int(dimensions), "maxItems": int(dimensions)}
    if options.take("normalized", bool):
        if isinstance(shape, Integer):
            options.refuse("normalized", f"vectors of {element} cannot have length 1; take it out")
        schema[keywords.NORMALIZED] = 1e-2 if element in ("float16", "bfloat16") else 1e-3
    for name in _ADVICE:
        if options.take(name, str) is not None:
            options.warn(name, "is kept and shown, but no record is checked for it")
    return Compiled(schema, ListOf(shape))


_ELEMENTS: Final[dict[str, tuple[dict[str, Any], Number | Integer]]] = {
    "float64": ({"type": "number"}, Number()),
    "float32": ({"type": "number", "minimum": -_FLOAT32_MAX, "maximum": _FLOAT32_MAX}, Number()),
    "bfloat16": ({"type": "number", "minimum": -_BFLOAT16_MAX, "maximum": _BFLOAT16_MAX}, Number()),
    "float16": ({"type": "number", "minimum": -_FLOAT16_MAX, "maximum": _FLOAT16_MAX}, Number()),
    "int8": ({"type": "integer", "minimum": -128, "maximum": 127}, Integer(32)),
    "uint8": ({"type": "integer", "minimum": 0, "maximum": 255}, Integer(32)),
    "binary": ({"type": "integer", "minimum": 0, "maximum": 1}, Integer(32)),
}


def _range(options: Options, low: float | None, high: float | None) -> dict[str, Any]:
    """The author's limits, and those of the format where they are tighter or alone."""
    schema: dict[str, Any] = {}
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
        if (value := options.take(name, int, float)) is not None:
            schema[name] = value
    if low is not None:
        schema["minimum"] = max(low, schema.get("minimum", low))
    if high is not None:
        schema["maximum"] = min(high, schema.get("maximum", high))
    return schema


def is_impossible(schema: dict[str, Any]) -> bool:
    """Whether it is proven that no value satisfies the schema (our own keywords left aside)."""
    standard = {name: value for name, value in schema.items() if name not in keywords.KEYWORDS}
    try:
        canonical = jsonschema_rs.canonicalize(standard, pattern_options=jsonschema_rs.RegexOptions(), offline=True)
        return canonical.satisfiability() == jsonschema_rs.canonical.Satisfiability.NO
    except (ValueError, jsonschema_rs.canonical.CanonicalizationError):
        return False
