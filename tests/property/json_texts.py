"""Records as texts, from a seed: mostly right for the contracts of ``test_verdicts.py``, odd in every way known.

A seeded generator and not a hypothesis strategy: literals, spaces and escapes matter here, thousands are wanted, and
a failing seed replays.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random

_ODD_NUMBERS = (
    "1.0", "1e3", "-0", "-0.0", "9007199254740993", "9007199254740993.0", "9223372036854775808", "1e400", "-1E+308",
    "18446744073709551616", "0.99999999999999999999", "123456789012345e3", "4.9e-324", "9007199254740993e0", "1e-400",
    "1700000000000000000", "0.30000000000000004", "100000000000000000000000000001", "1e22", "-9223372036854775809",
)  # fmt: skip
_ODD_STRINGS = ('"', "\\", '":', '\\":', " :", "{[", "1234567890123456789", "", "\x00", "é😀", "\u202e", "a\nb", "null")
_NAMES = "instdbrlm"
_ODD_NAMES = ('a"', "\\", "é", "_extra", "x:", "", "i ")


class Texts:
    """Draws texts; the same seed, the same texts."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def records(self, most: int) -> list[str]:
        return [self.record() for _ in range(self._random.randint(1, most))]

    def record(self) -> str:
        """A record that fits, mostly; else any object, or any value."""
        chance = self._random.random()
        if chance < 0.7:
            return self._fitting()
        return self._object(self._anything) if chance < 0.95 else self._anything(3)

    def moment(self, zones: tuple[str, ...], first: datetime = datetime(1, 1, 2), last: int = 3_652_055) -> str:
        random = self._random
        moment = first + timedelta(
            days=random.randrange((datetime.min + timedelta(days=last) - first).days), seconds=random.randrange(86_400)
        )
        fraction = random.choice(("", "", ".5", ".123456", ".1234567", ".120000000"))
        return moment.isoformat(random.choice("TTTt"), "seconds") + fraction + random.choice(zones)

    def shuffled(self, count: int) -> list[int]:
        return self._random.sample(range(count), count)

    def spoiled(self) -> bytes:
        """A record with something wrong in its bytes."""
        text = self.record().encode()
        at = self._random.randint(0, len(text))
        middle = self._random.choice(
            (b"\xff", b"\x00", b"NaN", b"\\ud800", b"[" * (at * 20), b"9" * (at * 10), text, b" ", b"\xef\xbb\xbf")
        )
        rest = text[at:] if self._random.random() < 0.7 else b""
        return text[:at] + middle + rest

    def _fitting(self) -> str:
        members = self._flat()
        random = self._random
        if random.random() < 0.4:
            members["r"] = self._written(self._flat()) if random.random() < 0.8 else "null"
        if random.random() < 0.4:
            members["l"] = f"[{', '.join(self._written(self._flat()) for _ in range(random.randint(0, 2)))}]"
        if random.random() < 0.3:
            members["m"] = (
                f"[{','.join(random.choice(('1', '2.0', 'null', '-0')) for _ in range(random.randint(0, 3)))}]"
            )
        if random.random() < 0.2:
            members[random.choice(_ODD_NAMES)] = self._anything(2)
        return self._written(members)

    def _flat(self) -> dict[str, str]:
        make: dict[str, Callable[[], str]] = {
            "i": self._number, "n": self._number, "s": self._string,
            "b": lambda: self._random.choice(("true", "false")),
            "t": lambda: json.dumps(self.moment(("Z", "Z", "z", "+05:30", "-23:59"))),
            "d": lambda: json.dumps(date.fromordinal(self._random.randint(1, date.max.toordinal())).isoformat()),
        }  # fmt: skip
        return {name: make[name]() for name in make if name == "s" or self._random.random() < 0.5}

    def _written(self, members: dict[str, str]) -> str:
        space = self._random.choice(("", "", "", " ", "\n", "\t "))
        pairs = [f"{self._quoted(name)}{space}:{space}{value}{space}" for name, value in members.items()]
        if pairs and self._random.random() < 0.03:
            pairs.append(self._random.choice(pairs))
        return "{" + ",".join(pairs) + "}"

    def _object(self, value: Callable[[int], str], depth: int = 3) -> str:
        names = [self._random.choice((*_NAMES, *_ODD_NAMES)) for _ in range(self._random.randint(0, 4))]
        return self._written({name: value(depth - 1) for name in names})

    def _anything(self, depth: int) -> str:
        chance = self._random.random()
        if depth > 0 and chance < 0.2:
            return f"[{','.join(self._anything(depth - 1) for _ in range(self._random.randint(0, 3)))}]"
        if depth > 0 and chance < 0.4:
            return self._object(self._anything, depth)
        return self._random.choice((self._number, self._string, lambda: "null", lambda: "true"))()

    def _number(self) -> str:
        random = self._random
        chance = random.random()
        if chance < 0.4:
            return str(random.randint(-1000, 1000))
        if chance < 0.5:
            return str(random.randint(-(2 ** random.randint(1, 70)), 2 ** random.randint(1, 70)))
        if chance < 0.6:
            return repr(random.uniform(-1e6, 1e6))
        if chance < 0.7:
            double = struct.unpack("<d", random.randbytes(8))[0]
            return repr(double) if abs(double) < float("inf") else "1e308"
        if chance < 0.8:
            digits = "".join(random.choice("0123456789") for _ in range(random.randint(1, 20)))
            exponent = random.choice(("", "e3", "E+10", "e-7", "e300", "e-310"))
            return f"{random.choice(('', '-'))}{random.randint(0, 10**6)}.{digits}{exponent}"
        return random.choice(_ODD_NUMBERS)

    def _string(self) -> str:
        random = self._random
        if random.random() < 0.4:
            return self._quoted(random.choice(_ODD_STRINGS))
        return self._quoted(
            "".join(
                chr(random.choice((random.randint(32, 126), random.randint(160, 0xD7FF))))
                for _ in range(random.randint(0, 6))
            )
        )

    def _quoted(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self._random.random() < 0.3)
