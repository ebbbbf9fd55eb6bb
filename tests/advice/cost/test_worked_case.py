"""7B at Q8_0 on an A100 for $2 an hour, 500 requests an hour: what four strategies come to.

The case of the research: B halves the bill without touching the answers, A, C and D save nothing.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.advice.cost.compared import Compared, Outcome, compared
from tuner.advice.cost.conditions import of_strategy, of_today
from tuner.advice.cost.memory import of_size, parse_params
from tuner.advice.cost.values import Api, Demand, Format, Measured, Setup, Strategy, Takes
from tuner.advice.roofline import Hardware
from tuner.advice.span import Span, exactly

A100 = Hardware("A100", 80e9, exactly(2039e9), 78e12)
A10G = Hardware("A10G", 24e9, exactly(600e9), 31.5e12)
Q8_0 = Format(
    "Q8_0", "gguf", exactly(8.5), Span(0.92, 0.93, 1.0), {"L2": 1.0007, "L3": 1.0004},
    like={"safetensors": "W8A8"},
)  # fmt: skip
Q4_K_M = Format(
    "Q4_K_M", "gguf", exactly(4.87), Span(0.75, 0.75, 1.0), {"L2": 1.014, "L3": 1.028},
    like={"safetensors": "W4A16"},
)  # fmt: skip
SERVER = Takes("a server", ("safetensors",), "GGUF is a plugin there")
DEMAND = Demand(500.0, 150.0, 40.0)
TODAY = Setup(of_size("7B", parse_params("7B"), Q8_0.bits), Q8_0, A100, 2.0, SERVER)

SMALLER = replace(TODAY, format=Q4_K_M, model=of_size("7B", parse_params("7B"), Q4_K_M.bits))
OTHER_GPU = replace(TODAY, hardware=A10G, price=1.0)
SMALL_MODEL = replace(TODAY, model=of_size("3B", parse_params("3B"), Q8_0.bits))
STRATEGIES = (
    Strategy("A", "Q4_K_M", SMALLER, ("format",)),
    Strategy("B", "A10G", OTHER_GPU, ("gpu", "price")),
    Strategy("C", "cache", replace(TODAY, hits=0.6), ("hits",)),
    Strategy("D", "3B", SMALL_MODEL, ("params",)),
)


def found(demand: Demand = DEMAND, **changes: object) -> Compared:
    """Return the worked case, or one in which something differs."""
    return compared(replace(TODAY, **changes), STRATEGIES, demand)  # type: ignore[arg-type]


def outcome(label: str, case: Compared | None = None) -> Outcome:
    """Return what a strategy comes to."""
    return next(o for o in (case or found()).outcomes if o.strategy.label == label)


def said(label: str, case: Compared | None = None) -> str:
    """Return its conditions as one text."""
    whole = case or found()
    return "\n".join(of_strategy(outcome(label, whole), whole))


def test_b_halves_the_bill_without_touching_the_answers() -> None:
    """$2 to $1 an hour, $.004 to $.002 a request, $730 a month; the model fits as it is."""
    case = found()
    b = outcome("B", case)

    assert case.best is b
    assert case.today.cost.per_request == exactly(0.004)
    assert b.costed.cost.per_request == exactly(0.002)
    assert b.saving == exactly(1.0)
    assert (b.costed.fit, b.quality.risk, b.effort) == ("fits", "as today", "low")


def test_b_is_some_three_times_slower_and_far_from_full() -> None:
    """At most 600 of 2039 of the bandwidth: at least 12 ms a token, and under a fifth used."""
    b = outcome("B")
    assert b.times is not None
    assert b.costed.pace is not None
    assert b.costed.cost.used is not None

    assert b.times.low < 2039 / 600 < b.times.high
    assert b.times.likely == pytest.approx(2039 / 600, rel=0.05)
    assert b.costed.pace.request_s.low > 40 * 0.012
    assert b.costed.cost.used.high < 0.2


def test_the_weights_are_those_of_published_models() -> None:
    """7B at Q8_0 is 7.2 to 7.7 GB."""
    memory = found().today.memory
    assert memory is not None

    assert memory.weights.low < 7.2e9 < memory.weights.likely < 7.7e9 < memory.weights.high


@pytest.mark.parametrize("label", ["A", "C", "D"])
def test_a_c_and_d_save_nothing_by_themselves(label: str) -> None:
    """And say what they would have to be joined with."""
    assert outcome(label).saving == exactly(0.0)
    assert "Saves nothing" in said(label)


def test_a_smaller_model_needs_a_cheaper_instance_and_b_needs_no_smaller_model() -> None:
    """So A and D say that B saves without them."""
    for label in "AD":
        assert "it would have to move to a cheaper one" in said(label)
        assert "B saves without it: A10G takes today's model as it is." in said(label)


def test_files_that_the_engine_does_not_take_are_named_with_what_it_takes() -> None:
    """Q4_K_M there means W4A16; the same holds of Q8_0 today, and A cannot be the answer."""
    assert "a server does not take Q4_K_M, a gguf format (GGUF is a plugin there)" in said("A")
    assert "what comes nearest there is W4A16" in said("A")
    assert any("does not take Q8_0" in s for s in of_today(found()))
    assert not outcome("A").works
    assert outcome("B").works


def test_losses_of_a_format_are_a_range_over_published_models() -> None:
    """Of today's format against the other, and never a verdict."""
    a = outcome("A")
    assert a.quality.perplexity is not None

    assert a.quality.perplexity.low == pytest.approx(1.014 / 1.0007)
    assert a.quality.perplexity.high == pytest.approx(1.028 / 1.0004)
    assert "`tune validate` or a guard measures" in said("A")


def test_a_cache_changes_the_mean_and_what_is_billed_by_use() -> None:
    """60 % hits: the mean is two fifths, a miss takes as long as before."""
    c = outcome("C")
    assert (c.times, c.mean_times) == (exactly(1.0), exactly(0.4))
    assert c.costed.cost.by_use is not None
    before = found().today.cost.by_use
    assert before is not None
    assert c.costed.cost.by_use.likely == pytest.approx(0.4 * before.likely)


def test_a_cache_saves_where_it_spares_an_instance() -> None:
    """At a rate for which today takes several."""
    case = found(replace(DEMAND, per_hour=60_000.0))
    c = outcome("C", case)
    assert c.saving is not None

    assert c.saving.low >= 2.0
    assert "Saves nothing" not in said("C", case)


def test_b_costs_less_until_it_is_full() -> None:
    """Two of them cost as much as an A100, so that the break-even rate is one's capacity."""
    b = outcome("B")

    assert b.breaks_even == b.costed.full_at
    above = found(replace(DEMAND, per_hour=8000.0))
    assert outcome("B", above).saving != exactly(1.0)
    assert above.best is None or above.best.strategy.label != "B"


def test_a_dearer_instance_pays_only_above_what_the_cheap_ones_carry() -> None:
    """From the A10G's side today costs less up to the same rate."""
    dear = Strategy("A", "A100", TODAY, ("gpu", "price"))
    case = compared(OTHER_GPU, (dear,), DEMAND)

    assert case.outcomes[0].dearer
    assert case.outcomes[0].breaks_even == case.today.full_at
    assert case.best is None


def test_an_api_is_cheaper_below_its_break_even_rate() -> None:
    """$2 an hour is 2,000 requests at $.001; a cache spares the API its share as well."""
    api = Api(0.0, 25.0)
    case = compared(TODAY, STRATEGIES, DEMAND, api=api)

    assert case.api_request == pytest.approx(0.001)
    assert case.today.api_from == pytest.approx(2000)
    assert outcome("C", case).costed.api_from == pytest.approx(2000 / 0.4)
    cheap = compared(TODAY, STRATEGIES, DEMAND, api=Api(0.0, 0.1))
    assert cheap.today.api_from == float("inf")


def test_what_was_measured_goes_before_the_roofline() -> None:
    """A change is the measured pace times the roofline's ratio."""
    measured = Measured(Span(0.3, 0.4, 0.5), 9000.0, 1, 100, "out")
    case = compared(TODAY, STRATEGIES, DEMAND, measured)
    b = outcome("B", case)
    assert case.today.pace is not None
    assert b.costed.pace is not None
    assert b.times is not None

    assert case.today.pace.request_s == measured.request_s
    assert case.today.cost.used == exactly(500 / 9000)
    assert b.costed.pace.request_s.likely == pytest.approx(0.4 * b.times.likely)
    assert b.costed.pace.how == "measured, times the roofline's ratio"


def test_what_is_not_known_stays_unknown() -> None:
    """Without a price there is no cost; without hardware no capacity, and that is said."""
    no_price = Strategy("A", "A10G", replace(OTHER_GPU, price=None), ("gpu",))
    case = compared(replace(TODAY, hardware=None), (no_price,), DEMAND)

    assert case.outcomes[0].costed.cost.per_hour is None
    assert case.outcomes[0].saving is None
    assert case.today.cost.used is None
    assert "its capacity is unknown" in "\n".join(of_today(case))
    assert "price of A10G was not given" in "\n".join(of_strategy(case.outcomes[0], case))


def test_a_model_that_does_not_fit_is_no_answer() -> None:
    """70B at Q8_0 needs more than 24 GB."""
    large = replace(TODAY, model=of_size("70B", parse_params("70B"), Q8_0.bits))
    there = replace(large, hardware=A10G, price=1.0)
    case = compared(large, (Strategy("A", "A10G", there, ("gpu",)),), DEMAND)

    assert case.outcomes[0].costed.fit == "does not fit"
    assert case.best is None


def test_another_engine_may_be_faster_or_slower() -> None:
    """Engines reach different shares of a bandwidth, so that the ratio is a range around 1."""
    other = replace(TODAY, takes=Takes("another", ("gguf",)))
    case = compared(TODAY, (Strategy("A", "another", other, ("engine",)),), DEMAND)
    times = case.outcomes[0].times
    assert times is not None

    assert times.low < 1 == times.likely < times.high
    assert case.outcomes[0].works
