"""JSON, strictly, with a line for every key: the values from the standard parser, the lines from one more pass."""

from __future__ import annotations

import json
import math
import re

from ray_pipeline.errors import Problem

from .document import MAX_DEPTH, Document, Path

_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')


def read_json(text: str, file: str) -> Document:
    """Read one JSON text with its lines; what is wrong with it is in ``problems``."""
    try:
        data = json.loads(text, parse_float=_finite, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return _broken(file, error.lineno, f"not JSON: {error.msg} (column {error.colno})")
    except RecursionError:
        return _broken(file, None, f"nested deeper than {MAX_DEPTH} levels")
    except ValueError as error:
        return _broken(file, None, f"not JSON: {error}")
    if _holds_a_lone_surrogate(data):
        return _broken(file, None, "holds half of a surrogate pair (\\ud800 to \\udfff); write the whole character")
    lines, problems = _lines(text, file)
    if any(len(path) > MAX_DEPTH for path in lines):
        return _broken(file, None, f"nested deeper than {MAX_DEPTH} levels")
    return Document(file, data, lines, problems=tuple(problems))


def _broken(file: str, line: int | None, message: str) -> Document:
    return Document(file, problems=(Problem(file, line, "", message),))


def _holds_a_lone_surrogate(data: object) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is past what a double holds")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _lines(text: str, file: str) -> tuple[dict[Path, int], list[Problem]]:
    """Where each key and item stands, and which keys stand twice; the text is known to be JSON."""
    lines: dict[Path, int] = {}
    problems: list[Problem] = []
    line, path = 1, list[str | int]()
    opened: list[str] = []  # "{" or "[" for each level; the last element of path belongs to the innermost one
    want_key = False
    for lexeme in _LEXEME.findall(text):
        if lexeme == "\n":
            line += 1
        elif lexeme == ":":
            want_key = False
        elif lexeme == ",":
            want_key = opened[-1] == "{"
            if not want_key and isinstance(path[-1], int):
                path[-1] += 1
        elif lexeme in "]}":
            opened.pop()
            path.pop()
            want_key = False
        elif want_key:
            path[-1] = json.loads(lexeme)
            if tuple(path) in lines:
                first = lines[tuple(path)]
                key = ".".join(str(step) for step in path)
                problems.append(Problem(file, line, key, f"a second time; the first is in line {first}"))
            lines[tuple(path)] = line
        else:
            lines.setdefault(tuple(path), line)
            if lexeme in "[{":
                opened.append(lexeme)
                want_key = lexeme == "{"
                path.append("" if want_key else 0)
    return lines, problems
