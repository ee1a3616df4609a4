"""Values of states: rounded once, whatever the order and the size of what is added."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.fold import fold_events
from ray_pipeline.features.reading import Status
from ray_pipeline.features.state import EntityState, encode_state, read_states
from tests.feature_oracle import BASE, HOUR, MINUTE, events_frame, feature_shape, view_shape
from tests.unit.features_state.worlds import ENTITY, FOREVER, folded, happened

AT = BASE + HOUR


def value(kind: Kind, over: str, values: Sequence[object], *, apart: bool = False) -> object:
    """Return the aggregate of values, all in one cell or each in its own."""
    shape = view_shape([feature_shape("f", kind, over, 3)], window=2 * HOUR)
    events = [happened(i if apart else 1, one, offset=i) for i, one in enumerate(values)]
    found = read_states(shape, [encode_state(shape, folded(shape, events))], AT)
    assert found.status is Status.PRESENT
    return found.values[0]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([0.1] * 10, 1.0),
        ([0.1, 0.2, 0.3], 0.6),
        ([1e16, 1.0, -1e16], 1.0),
        ([1e300, 5e-324, -1e300], 5e-324),
        ([1e308, 1e308, -1e308], 1e308),
        ([5e-324, 5e-324], 1e-323),
        ([-0.0], 0.0),
        ([None, 2.5], 2.5),
        ([None], None),
        ([], None),
    ],
)
def test_a_sum_of_floats_is_the_float_nearest_to_the_true_sum(
    numbers: list[float], total: float | None, apart: bool
) -> None:
    if not numbers:
        numbers = [None]  # type: ignore[list-item]
    assert value(Kind.SUM, "float", numbers, apart=apart) == total
    there = [Fraction(one) for one in numbers if one is not None]
    mean = None if not there else float(sum(there) / len(there))
    assert value(Kind.MEAN, "float", numbers, apart=apart) == mean


def test_a_mean_of_floats_is_there_where_their_sum_is_beyond_the_largest_float() -> None:
    assert value(Kind.MEAN, "float", [1e308, 1e308]) == 1e308
    assert value(Kind.MEAN, "float", [1e308, 1e308], apart=True) == 1e308


@pytest.mark.parametrize(("over", "number"), [("float", 1e308), ("float", -1.7e308), ("int", 2**62), ("int", -(2**63))])
def test_a_cell_whose_sum_no_value_can_hold_is_refused_and_no_state_changes(over: str, number: float) -> None:
    shape = view_shape([feature_shape("total", Kind.SUM, over)], window=2 * HOUR)
    states: dict[str, EntityState] = {}
    first = happened(1, number)
    folded(shape, [first], states=states)
    before = encode_state(shape, states[ENTITY])
    again = events_frame(shape, [happened(5, 1, offset=1), happened(1, number, offset=2)])
    with pytest.raises(FeatureComputeError, match=r"view view, total: a sum beyond what its type can hold"):
        fold_events(shape, states, again, newest_us=first.published, retain_us=FOREVER)
    assert {entity: encode_state(shape, state) for entity, state in states.items()} == {ENTITY: before}


@pytest.mark.parametrize(("over", "number"), [("float", 1e308), ("int", 2**62)])
def test_cells_that_hold_only_together_more_than_a_value_can_are_said_to_be_invalid(over: str, number: float) -> None:
    shape = view_shape([feature_shape("total", Kind.SUM, over), feature_shape("n", Kind.COUNT, "")], window=2 * HOUR)
    state = encode_state(shape, folded(shape, [happened(1, number, None), happened(9, number, None, offset=1)]))
    assert read_states(shape, [state], BASE + 2 * MINUTE).values == (number, 1)
    beyond = read_states(shape, [state], AT)
    assert (beyond.status, beyond.values) == (Status.INVALID, (None, None))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [Kind.SUM, Kind.LAST, Kind.MAX, Kind.COUNT_DISTINCT])
def test_a_float_that_is_not_finite_is_refused_by_name(kind: Kind, number: float) -> None:
    with pytest.raises(FeatureComputeError, match="view view, f: a value that is not finite"):
        value(kind, "float", [1.0, number])


@pytest.mark.parametrize("apart", [False, True])
def test_integers_and_decimals_are_added_as_what_they_are(apart: bool) -> None:
    assert value(Kind.SUM, "int", [2**62, 2**62 - 1], apart=apart) == 2**63 - 1
    assert value(Kind.MEAN, "int", [2**63 - 1] * 3, apart=apart) == float(2**63 - 1)
    assert value(Kind.SUM, "decimal:2", [Decimal("0.10")] * 3, apart=apart) == 0.3
    most = Decimal("999999999999999999999999999999999999.99")
    assert value(Kind.SUM, "decimal:2", [most] * 7, apart=apart) == float(Fraction(most) * 7)
    least = most.copy_negate()  # a minus sign would round it
    assert value(Kind.MAX, "decimal:2", [most, least], apart=apart) == float(most)
    assert value(Kind.COUNT_DISTINCT, "decimal:2", [most, least, most], apart=apart) == 2
    assert value(Kind.LAST, "decimal:2", [most, least], apart=apart) == float(least)


def test_a_distinct_count_stops_at_its_cap() -> None:
    assert value(Kind.COUNT_DISTINCT, "string", list("abcde"), apart=True) == 3
    assert value(Kind.COUNT_DISTINCT, "string", list("aab"), apart=True) == 2
