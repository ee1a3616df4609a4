"""DuckDB's errors as our sentences. DuckDB quotes the value that it could not convert; we never do.

Nothing of a message that can hold a row's value is passed on: the class of the error, and, found again in the text of
the query, the place that it points to. Errors from before any row was read are passed on, shortened.
"""

from __future__ import annotations

import re

_STATIC = ("BinderException", "CatalogException", "ParserException", "SyntaxException", "NotImplementedException")
_SENTENCES = {
    "ConversionException": "a value cannot be converted; TRY_CAST gives NULL instead",
    "OutOfRangeException": "a number is out of its type's range; cast to a wider type, or TRY(...) gives NULL instead",
    "InvalidInputException": "a function was given a value that it cannot take; TRY(...) gives NULL instead",
    "TypeMismatchException": "values of types that do not go together",
    "ConstraintException": "a constraint does not hold",
    "PermissionException": "it tries to reach outside of the rows that are judged, which no rule may",
    "FatalException": "DuckDB gave up",
    "InternalException": "DuckDB failed within itself",
}
_LINE = re.compile(r"^LINE \d+: (.*)\n( *)(\^+)[ \t]*$", re.MULTILINE)
_MEAN = re.compile(r'^(?:Did you mean|Candidate bindings:|Candidate Entries:) *("[^"]+")', re.MULTILINE)
_FRAGMENT = 60


def sentence(error: BaseException, query: str, *, memory_bytes: int, seconds: float, spill_bytes: int = 0) -> str:
    """Return what went wrong, without a value of a row in it."""
    kind = type(error).__name__
    text = str(error)
    if kind == "InterruptException":
        return timed_out(seconds)
    if kind == "OutOfMemoryException" or isinstance(error, MemoryError):
        if "max_temp_directory_size" in text:
            return f"it needs more than {memory_bytes >> 20} MB of memory and {spill_bytes >> 20} MB of disk"
        return out_of_memory(memory_bytes)
    if kind == "IOException":
        return (
            "no space left on the disk that it spills to" if "No space left" in text else "reading or spilling failed"
        )
    if kind in _STATIC:
        return _static(text) + _place(text, query)
    said = _SENTENCES.get(kind, "it failed")
    return f"{said}{_place(text, query)} ({kind.removesuffix('Exception')} error)"


def timed_out(seconds: float) -> str:
    """Return the sentence for a query that took too long."""
    return f"it did not finish within {seconds:g} s"


def out_of_memory(memory_bytes: int) -> str:
    """Return the sentence for a query that took too much."""
    return f"it needs more than {memory_bytes >> 20} MB of memory"


def _static(text: str) -> str:
    first = text.split("\n", 1)[0].split(": ", 1)[-1].rstrip("!. ")
    first = first.replace(" in FROM clause", "")
    meant = _MEAN.search(text)
    return f"{first}; did you mean {meant.group(1)}?" if meant and "not" in first else first


def _place(text: str, query: str) -> str:
    """Return the part of the query that the message points to, taken from the query itself."""
    for match in reversed(list(_LINE.finditer(text))):
        shown, before, carets = match.group(1), len(match.group(2)), len(match.group(3))
        start = before - (match.start(1) - match.start())
        core = shown.removeprefix("...").removesuffix("...")
        start -= 3 if shown.startswith("...") else 0
        at = query.find(core)
        if at >= 0 and 0 <= start < len(core):
            fragment = " ".join(query[at + start : at + start + carets].split())
            cut = fragment if len(fragment) <= _FRAGMENT else fragment[: _FRAGMENT - 1] + "…"
            return f", at: {cut}" if cut else ""
    return ""
