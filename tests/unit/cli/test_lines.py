"""Splitting a file into records, however it comes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.cli import lines
from ray_pipeline.cli.lines import Line, read_lines


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes = io.BytesIO(data), sizes

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._sizes.pop() if self._sizes else 3)


def read_all(stream: io.RawIOBase | io.BytesIO, longest: int = 1000) -> list[Line]:
    return [line for block in read_lines(stream, longest) for line in block]  # type: ignore[arg-type]


def plainly(data: bytes) -> list[Line]:
    """The same, from all bytes at once."""
    split = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [(n, line.removesuffix(b"\r")) for n, line in enumerate(split, 1) if line.strip(b" \t\r")]


@given(
    st.lists(st.sampled_from([b"{}", b"\n", b"\r\n", b" ", b"\r", b"\xef\xbb\xbf", b"a\tb", b"\x00", b"\xff"])),
    st.lists(st.integers(1, 4), max_size=30),
)
def test_the_lines_do_not_depend_on_the_blocks(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    assert read_all(Dribble(data, sizes)) == plainly(data)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"a", [(1, b"a")]),
        (b"a\n", [(1, b"a")]),
        (b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
        (b"\n \t\r\na", [(3, b"a")]),
        (b"\xef\xbb\xbfa", [(1, b"a")]),
    ],
)
def test_line_ends_and_blank_lines(data: bytes, found: list[Line]) -> None:
    assert read_all(io.BytesIO(data)) == found


def test_a_line_longer_than_a_record_may_be_is_kept_just_long_enough_to_be_refused() -> None:
    found = read_all(io.BytesIO(b"x" * 5000 + b"\n" + b"y" * 10 + b"\r\n" + b"z" * 11), longest=10)
    assert [(n, len(line)) for n, line in found] == [(1, 12), (2, 10), (3, 11)]


def test_a_line_of_blanks_longer_than_a_record_may_be_is_a_record() -> None:
    assert len(read_all(io.BytesIO(b" " * 5000 + b"{}\n"), longest=10)) == 1


def test_memory_stays_bounded_by_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 16)
    asked: list[int] = []

    class Endless(io.RawIOBase):
        left = 1000

        def read(self, size: int = -1) -> bytes:
            asked.append(size)
            self.left -= 1
            return b"x" * size if self.left else b""

    assert len(read_all(Endless(), longest=20)[0][1]) == 22
    assert set(asked) == {16}
