"""The tail of Student's distribution, by its finite series: the same digits wherever it runs."""

from __future__ import annotations

import math


def student_tail(t: float, freedom: int) -> float:
    """Return how likely Student's t with so many whole degrees of freedom is at least ``t``.

    (Abramowitz and Stegun 1964, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.)

    >>> round(student_tail(2.571, 5), 4), round(student_tail(-2.228, 10), 4), student_tail(math.inf, 3)
    (0.025, 0.975, 0.0)
    """
    if freedom < 1:
        raise ValueError(f"Student's distribution has 1 degree of freedom at least, not {freedom}")
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for step in range(1, (freedom - odd) // 2 + 1):
        total += term
        term *= square * (2 * step / (2 * step + 1) if odd else (2 * step - 1) / (2 * step))
    within = 2 / math.pi * (angle + sine * total) if odd else sine * total
    tail = max(0.0, (1 - within) / 2)
    return tail if t > 0 else 1 - tail
