"""The fenced blocks of the README, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
FEATURE_DEFINITIONS = (REPOSITORY / "configs/flights/features.py").read_text()
"""The page shows a part of it, which is no program by itself."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text, and the line where it begins."""

    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.language}-line-{self.line}"

    @property
    def session(self) -> list[tuple[str, str]]:
        """What a person types, and what is printed then; empty where the block shows no output at all."""
        joined = self.text.replace("\\\n", " ")
        parts = re.split(r"^\$ (.*)\n", joined, flags=re.MULTILINE)
        found = list(zip(parts[1::2], parts[2::2], strict=True))
        return found if any(printed for _, printed in found) else []

    @property
    def commands(self) -> list[str]:
        """What a person types: the lines after ``$``, joined where they end in a backslash."""
        joined = self.text.replace("\\\n", " ")
        return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of some languages, or all, in the order of the page."""
    text = README.read_text()
    found = [Block(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in _FENCE.finditer(text)]
    return [block for block in found if not languages or block.language in languages]


def chapter(title: str, some: Iterable[Block]) -> list[Block]:
    """Return those of some blocks that are in a chapter of the page."""
    before, _, rest = README.read_text().partition(f"\n## {title}\n")
    first = before.count("\n") + 2
    last = first + rest.partition("\n## ")[0].count("\n")
    return [block for block in some if first < block.line <= last + 1]
