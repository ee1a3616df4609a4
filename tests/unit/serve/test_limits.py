"""Turns are bounded, given in order, and never lost."""

from __future__ import annotations

import asyncio

import pytest

from ray_pipeline.serve.limits import Turns
from ray_pipeline.serve.refusal import Refusal


def test_turns_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    async def scene() -> None:
        turns, order = Turns(1, 3), []
        await turns.take()

        async def one(name: str) -> None:
            await turns.take()
            order.append(name)
            turns.give_back()

        waiting = [asyncio.create_task(one(name)) for name in "abc"]
        await asyncio.sleep(0)
        assert turns.waiting == 3
        with pytest.raises(Refusal) as refused:
            await turns.take()
        assert refused.value.code == "busy"
        turns.give_back()
        await asyncio.gather(*waiting)
        assert order == ["a", "b", "c"]
        assert (turns.ongoing, turns.waiting) == (0, 0)

    asyncio.run(scene())


def test_who_stops_waiting_takes_no_turn_with_them_not_even_one_that_was_just_given() -> None:
    async def scene() -> None:
        turns = Turns(1, 3)
        await turns.take()
        given, waiting = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        assert turns.waiting == 1
        turns.give_back()
        given.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (turns.ongoing, turns.waiting) == (0, 0)
        await asyncio.wait_for(turns.take(), 1)

    asyncio.run(scene())
