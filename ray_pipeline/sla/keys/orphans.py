"""Which rows refer to a parent that is not there: exact, in bounded memory, whatever the order of the files.

A row is called an orphan only where its hash is nowhere among the parents', which is certain. A hash that is there is
taken for the parent itself: that one of 20 million rows meets a wrong one among 20 million has a chance of 10^-24.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ray_pipeline.sla.check import KeyFinding
from ray_pipeline.sla.keys.key_files import RANGE_KEYS, Findings, KeyFile, Slice, cut, in_order, matches, once, ranges
from ray_pipeline.sla.keys.key_runs import NEVER, sort_order
from ray_pipeline.sla.measure import Array


def find_orphans(
    children: Iterable[KeyFile],
    parents: Iterable[KeyFile] | None,
    *,
    parent: str,
    judged_until: int | None,
    range_keys: int = RANGE_KEYS,
) -> dict[str, KeyFinding]:
    """Return, for each day of the children, which rows lack a parent.

    ``judged_until`` is the parent's watermark less its lateness, in microseconds: the parent of a row whose time (that
    of its run) is later may still come, so it is pending, not flagged; None says that there is no watermark yet. A row
    without a time is judged at once. As in SQL, a row with a null in its reference is not looked at. Where nothing of
    the parent (a dataset, called ``parent``) is there at all, every finding has a problem instead.
    """
    files, others = in_order(children), in_order(parents or ())
    findings = Findings(files)
    if not files:
        return {}
    if not others:
        for file in files:
            for first, last in ranges([file], range_keys):
                findings.saw(file, len(cut(file, first, last)))
        return findings.by_day(f"nothing of {parent} is there to look rows up in")
    for first, last in ranges(files, range_keys):
        lost = _lost(files, others, first, last, findings)
        if len(lost.hi):
            _judge(files, first, last, lost, judged_until, findings)
    return findings.by_day()


class _Wanted:
    """The distinct hashes that no parent was found for so far, ascending."""

    def __init__(self, hi: Array, lo: Array) -> None:
        self.hi, self.lo = hi, lo
        self._found = np.zeros(len(hi), bool)

    def look_in(self, parents: Slice) -> None:
        """Cross off what is among these parents; whichever are fewer are looked up among the others."""
        if len(parents) < len(self.hi):
            for mine, theirs in _pairs(self.hi, parents.hi):
                self._found[mine[self.lo[mine] == parents.lo[theirs]]] = True
        else:
            for theirs, mine in _pairs(parents.hi, self.hi, self._found):
                self._found[mine[self.lo[mine] == parents.lo[theirs]]] = True
        if 2 * np.count_nonzero(self._found) > len(self._found):
            self.shrink()

    def shrink(self) -> None:
        """Forget what was found."""
        kept = ~self._found
        self.hi, self.lo = self.hi[kept], self.lo[kept]
        self._found = np.zeros(len(self.hi), bool)


def _pairs(hay: Array, needles: Array, done: Array | None = None) -> Iterable[tuple[Array, Array]]:
    """Yield places in ``hay`` and ``needles`` of equal values: first each needle's first match, then its next.

    A needle that is ``done`` by then is left out: equal halves of different hashes are so rare that there is hardly
    ever a second round.
    """
    which = np.arange(len(needles))
    at = np.searchsorted(hay, needles)
    while True:
        inside = at < len(hay)
        which, at = which[inside], at[inside]
        equal = hay[at] == needles[which]
        if done is not None:
            equal &= ~done[which]
        which, at = which[equal], at[equal]
        if len(which) == 0:
            return
        yield at, which
        at = at + 1


def _lost(
    children: Iterable[KeyFile], parents: Iterable[KeyFile], first: int, last: int, findings: Findings
) -> _Wanted:
    """Return the hashes of this range that children have and no parent has."""
    distinct = []
    for file in children:
        part = cut(file, first, last)
        findings.saw(file, len(part))
        distinct.append(_distinct(part.hi, part.lo))
    hi = np.concatenate([part[0] for part in distinct])
    lo = np.concatenate([part[1] for part in distinct])
    order = sort_order(hi, lo, np.arange(len(hi)))
    wanted = _Wanted(*_distinct(hi[order], lo[order]))
    for file in parents:
        wanted.look_in(cut(file, first, last))
    wanted.shrink()
    return wanted


def _judge(
    children: Iterable[KeyFile], first: int, last: int, lost: _Wanted, judged_until: int | None, findings: Findings
) -> None:
    """Name the children's rows that have these hashes, or count them as pending."""
    halves = once(lost.hi)
    for file in children:
        part = cut(file, first, last)
        places = _places(part, lost, halves)
        late = np.ones(len(places), bool)
        if judged_until is not None:
            late = part.take(places, "time", NEVER) > judged_until
        findings.wait(file, int(np.count_nonzero(late)))
        sure = places[~late]
        numbers = part.take(sure, "row", 0), part.take(sure, "partition", -1), part.take(sure, "offset", 0)
        findings.flag(file, *numbers)


def _distinct(hi: Array, lo: Array) -> tuple[Array, Array]:
    if len(hi) == 0:
        return hi, lo
    new = np.ones(len(hi), bool)
    new[1:] = (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])
    return hi[new], lo[new]


def _places(part: Slice, lost: _Wanted, halves: Array) -> Array:
    """Return where the slice has a hash that was not found; ``halves`` is each ``hi`` of these once."""
    places = matches(part.hi, halves)
    kept = np.zeros(len(places), bool)
    if len(halves) == len(lost.hi):  # no two of them share one
        kept[:] = part.lo[places] == lost.lo[np.searchsorted(lost.hi, part.hi[places])]
    else:
        pairs = set(zip(lost.hi.tolist(), lost.lo.tolist(), strict=True))
        found = zip(part.hi[places].tolist(), part.lo[places].tolist(), strict=True)
        kept[:] = [pair in pairs for pair in found]
    return np.compress(kept, places)
