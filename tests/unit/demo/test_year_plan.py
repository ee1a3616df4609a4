"""The year's events come once each, in order, cut at weeks and months; wrong months are a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ray_pipeline.demo.year_plan import LEAST, YearPlan
from ray_pipeline.errors import UsageError

JANUARY = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def plan() -> YearPlan:
    return YearPlan(LEAST)


def test_every_event_is_published_once_and_before_the_moment_its_stretch_ends(plan: YearPlan) -> None:
    published = dict.fromkeys(plan.published, 0)
    begins = JANUARY
    for stretch in plan.stretches():
        for event in stretch.events:
            published[event.topic] += 1
            at = datetime.fromtimestamp(event.timestamp_ms / 1000, UTC)
            assert at <= stretch.until, event
            assert at >= begins or begins == JANUARY, event
        begins = stretch.until
    assert published == plan.published
    assert begins == plan.ends_at


def test_weeks_and_months_end_where_they_do(plan: YearPlan) -> None:
    stretches = list(plan.stretches())
    months = [one.until for one in stretches if one.ends_month]
    assert months == [datetime(2013, month, 1, tzinfo=UTC) for month in (2, 3, 4, 5)]
    weeks = [one.until for one in stretches[:-1] if one.ends_week]
    assert weeks == [JANUARY + timedelta(days=7 * week) for week in range(1, 18)]
    assert not stretches[-1].ends_month
    assert plan.over == months[-1]
    assert plan.ends_at > plan.over, "what is in the air at the end lands afterwards"


def test_the_share_that_is_asked_about_is_about_a_third_and_always_the_same(plan: YearPlan) -> None:
    ids = [f"2013-04-{day:02}.UA{number}.EWR.0515" for day in range(1, 31) for number in range(100)]
    asked = [one for one in ids if plan.is_asked(one)]
    assert 0.3 < len(asked) / len(ids) < 0.37
    assert asked == [one for one in ids if YearPlan().is_asked(one)]
    assert all(YearPlan(ask_every=1).is_asked(one) for one in ids)


@pytest.mark.parametrize("months", ["", "5", "2-6", "1-", "1-13", "1-0", "1-3", "January", "1-5-7", "1-05"])
def test_months_that_are_none_are_refused_with_a_sentence(months: str) -> None:
    with pytest.raises(UsageError, match="months"):
        YearPlan.of(months)


def test_months_are_read(plan: YearPlan) -> None:
    assert (YearPlan.of("1-4").months, YearPlan.of(" 1-12 ").months) == (4, 12)
    with pytest.raises(UsageError, match="about"):
        YearPlan(ask_every=0)
