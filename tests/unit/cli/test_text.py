"""Foreign text cannot steer a terminal."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.cli import console
from ray_pipeline.text import visible, visible_bytes


@given(st.text())
def test_what_is_shown_is_printable_and_holds_no_direction_mark(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert not set(shown) & set("\x1b\x9b\u202a\u202e\u2066\u200f\u061c")
    shown.encode()


@given(st.binary())
def test_bytes_are_always_shown(data: bytes) -> None:
    assert visible_bytes(data).isprintable()


def test_letters_of_all_languages_stay_what_they_are() -> None:
    assert visible("Zoë Łódź 日本 ✓ العربية") == "Zoë Łódź 日本 ✓ العربية"


@given(st.text())
def test_json_on_stdout_is_plain_ascii(text: str) -> None:
    stream = io.StringIO()
    original, console.sys.stdout = console.sys.stdout, stream
    try:
        console.print_json({"text": text})
    finally:
        console.sys.stdout = original
    written = stream.getvalue()
    assert written.isascii()
    assert written.rstrip("\n").isprintable()
    assert json.loads(written) == {"text": text}
