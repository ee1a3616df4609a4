"""Whatever lands, and whatever people let through, in whatever order: the books balance after every gate."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from ray_pipeline.errors import UsageError
from ray_pipeline.gate.entries import OffsetSpan, Selection
from ray_pipeline.runtime.curated import judge_again, let_through
from tests.gate_shop import LATER, NEXT_DAY, Shop, customer, order

STEPS = 14


class Walk:
    """A shop to which things happen."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.waives = seed % 2 == 1
        self.shop = Shop(folder, customers=seed % 3 == 0)
        self.damaged: dict[Path, bytes] = {}

    def step(self) -> None:
        kinds = [self.land, self.land, self.gate, self.gate, self.release_day, self.release_rows, self.damage]
        self.random.choice(kinds)()

    def land(self) -> None:
        random = self.random
        rows = [
            order(
                random.randrange(40),
                day=random.choice((1, 1, 2, 3)),
                hour=random.randrange(24),
                amount=random.choice((1.0, 1.0, 1.0, -1.0)),
                customer_id=random.choice(("c1", "c1", "c2", "c3")),
            )
            for _ in range(random.randrange(1, 7))
        ]
        self.shop.land(
            "orders", rows, partition=random.randrange(2), published=f"2026-03-0{random.randrange(1, 9)}T00Z"
        )
        if "customers" in self.shop.config.datasets and random.random() < 0.3:
            self.shop.land("customers", [customer(f"c{random.randrange(5)}", day=random.randrange(1, 5))])

    def gate(self) -> None:
        run_id = self.random.choice((None, None, "again"))
        self.shop.gate(at=self.random.choice((LATER, NEXT_DAY)), run_id=run_id, balanced=False)
        self.check()

    def release_day(self) -> None:
        held = sorted(self.shop.held())
        if held:
            try:
                let_through(self.shop.config, self.shop.store, "orders", self.random.choice(held), "because")
            except UsageError as error:
                assert "already" in str(error)

    def release_rows(self) -> None:
        chosen = self.random.choice(
            (
                Selection("2026-03-01"),
                Selection(check="positive"),
                Selection(check="unique.order_id"),
                Selection(offsets=(OffsetSpan(self.random.randrange(2), 0, self.random.randrange(1, 30)),)),
            )
        )
        try:
            judge_again(self.shop.config, self.shop.store, "orders", chosen, "because", waive=self.waives)
        except UsageError as error:
            assert "no quarantined row" in str(error)

    def damage(self) -> None:
        """Damage a file that is not in the table, or restore what was damaged."""
        if self.damaged:
            self.restore()
            return
        held = [file for files in self.shop.state().held.values() for file in files]
        if held:
            path = Path(self.shop.config.store, self.random.choice(held).key)
            self.damaged[path] = path.read_bytes()
            path.write_bytes(b"PAR1")

    def restore(self) -> None:
        for path, content in self.damaged.items():
            path.write_bytes(content)
        self.damaged.clear()

    def check(self) -> None:
        shop = self.shop
        state = shop.state()
        assert state.landed == state.published + state.quarantined + state.held_rows
        if state.published:
            rows = shop.rows()
            assert rows.num_rows == state.published
            places = Counter(
                zip(rows.column("_partition").to_pylist(), rows.column("_offset").to_pylist(), strict=True)
            )
            assert max(places.values()) == 1, "a row is in the table twice"
            if not self.waives:
                assert max(Counter(rows.column("order_id").to_pylist()).values()) == 1, "a key is in the table twice"
                assert min(rows.column("amount").to_pylist()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_the_books_balance_after_every_gate(tmp_path: Path, seed: int) -> None:
    walk = Walk(tmp_path, seed)
    for _ in range(STEPS):
        walk.step()
    walk.restore()
    walk.shop.gate(at=LATER)
    walk.check()
    assert walk.shop.breaches() == []
