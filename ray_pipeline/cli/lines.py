"""Newline-delimited JSON from a file of any size, in blocks that fit in memory.

A line ends with LF or CR LF; the last one may end with the file. A line without anything but blanks is no record, but
it counts, so that ``line 7`` is what an editor calls line 7. A byte order mark at the start of the file belongs to the
file, not to its first record. Of a line longer than any record may be, only so much is kept that it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 1 << 20
_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r"

Line = tuple[int, bytes]
"""The line's number, from 1, and its bytes without the line's end."""


def read_lines(stream: BinaryIO, longest: int) -> Iterator[list[Line]]:
    """Yield the lines of a stream, some at a time, as they come.

    >>> import io
    >>> list(read_lines(io.BytesIO(b'{"a": 1}\\r\\n\\n{"a": 2}'), 1000))
    [[(1, b'{"a": 1}')], [(3, b'{"a": 2}')]]
    """
    read = getattr(stream, "read1", stream.read)  # what a pipe holds now, not what would fill the block
    number, begun = 1, b""
    first = True
    while block := read(BLOCK):
        if first:
            while len(block) < len(_MARK) and (more := read(BLOCK)):
                block += more
            block, first = block.removeprefix(_MARK), False
        *ended, rest = block.split(b"\n")
        if ended:
            ended[0] = _cut(begun + ended[0], longest)
            begun = b""
            yield _records(ended, number, longest)
            number += len(ended)
        begun = _cut(begun + rest, longest)
    yield _records([begun], number, longest)


def _records(lines: list[bytes], number: int, longest: int) -> list[Line]:
    return [
        (number + i, line.removesuffix(b"\r"))
        for i, line in enumerate(lines)
        if line.strip(_BLANKS) or len(line) > longest + 1
    ]


def _cut(line: bytes, longest: int) -> bytes:
    # Two bytes more than a record may have: one for a carriage return, one to be refused for.
    return line[: longest + 2]
