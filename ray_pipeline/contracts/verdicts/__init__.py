"""The judge: one exact verdict for a record's bytes, then columns.

``judge.py`` says which records are valid and everything that is wrong with the others; ``columns.py`` lands the
valid ones in Arrow. Neither looks at a record's neighbours: a verdict is a function of the bytes and the contract.
"""

from __future__ import annotations

from .codes import CODES
from .judge import RecordJudge
from .results import Columns, Judgement, Verdicts

__all__ = ["CODES", "Columns", "Judgement", "RecordJudge", "Verdicts"]
