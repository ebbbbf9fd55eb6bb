"""Simulated nights: truth decides what is wrong, the product judges, the page shows the record."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.nights import worlds
from bench.nights.questions import AT_NIGHT, MIXED, Found, Years, after_shift, met_late, years
from bench.nights.record import RECORDED, Record, read, share, tables, write
from bench.nights.ways import (
    LOOKED_AT,
    PAIRS,
    PATIENCE,
    REQUESTS,
    TEMPLATES,
    WAYS,
    Known,
    Ledger,
    nights,
    not_worse,
    on_time,
    search,
    whose_turn,
)
from bench.nights.worlds import LATE, MARGIN, World, drawn
from tuner.stats.eprocess import certify
from tuner.stats.paired import judge_noninferior
from tuner.stats.spending import YEAR

README = Path(__file__).parents[2] / "bench" / "README.md"


def world_of(ratio: float, late: float = LATE, answers: float = 0.0) -> World:
    """Return a world with one like this, and as many hopeless ones as a search looks at."""
    return drawn((np.array([ratio]), late, answers), (np.full(LOOKED_AT, 1.0), LATE, 0.0))


@pytest.mark.parametrize(
    ("one", "wrong", "harmful"),
    [
        (world_of(math.log(0.8)), False, False),
        (world_of(math.log(0.98)), True, False),
        (world_of(0.0), True, True),
        (world_of(math.log(0.8), late=0.01), True, True),
        (world_of(math.log(0.8), answers=-MARGIN), True, True),
    ],
)
def test_truth_says_which_promotion_is_wrong(one: World, wrong: bool, harmful: bool) -> None:
    """A gain below the noise floor is wrong, a missed target or worse answers do harm as well."""
    assert (one.wrong(1), one.harmful(1)) == (wrong, harmful)


def test_what_misses_its_target_may_be_replaced_by_what_is_no_faster() -> None:
    """It is right to promote what meets the target where what serves does not."""
    one = world_of(0.0)
    one.late[0] = 0.03

    assert not one.wrong(1)
    assert one.wrong(0)


def test_answers_are_held_against_the_anchor_too() -> None:
    """Two small drops add up to a wrong one."""
    one = drawn((np.log([0.8, 0.6]), LATE, np.array([-0.03, -0.06])))
    one.serves = 1

    assert one.losses(2) == pytest.approx({"incumbent": -0.03, "anchor": -0.06})
    assert one.wrong(2)


@pytest.mark.parametrize("kind", [worlds.unchanged, worlds.updated, worlds.longer])
def test_a_world_holds_what_it_says(kind: worlds.Draw) -> None:
    """Nothing is better where that is said; else the one that is."""
    one = kind(np.random.default_rng(1))
    right = [i for i in range(1, one.ratios.size) if not one.wrong(i) and one.gain(i) < -0.1]

    assert right == ([] if one.better is None else [one.better])
    assert one.meets(0) == (kind is not worlds.longer)


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.05, 0.001]))
def test_answers_are_judged_as_the_product_does_in_any_order(
    ours: int, theirs: int, alpha: float
) -> None:
    """Shuffled pairs have the verdict that the counts have."""
    pairs = np.repeat([[1, 0], [0, 1], [0, 0]], [ours, theirs, TEMPLATES - ours - theirs], axis=0)
    right, other = np.random.default_rng(1).permutation(pairs).T

    assert not_worse(ours, theirs, alpha) == judge_noninferior(right, other, MARGIN, alpha)


@given(st.integers(0, 60), st.integers(60, 4000))
def test_lateness_is_judged_as_the_product_does(late: int, requests: int) -> None:
    """The verdict on counts is that of a certificate on as many requests."""
    assert on_time(late, requests, 0.01) == certify(np.arange(requests) < late, 0.99, 0.01).verdict


def test_a_night_adds_to_what_is_known() -> None:
    """Two nights hold the pairs and requests of both, and the answers of the first."""
    one, known, rng = world_of(math.log(0.5)), Known(1), np.random.default_rng(1)
    known.meet(one, 1, rng)
    answers = known.answers
    known.meet(one, 1, rng)

    assert (known.won, known.requests) == (2 * PAIRS, 2 * PAIRS * REQUESTS)
    assert known.answers == answers
    assert known.ratio == pytest.approx(math.log(0.5), abs=0.05)
    assert known.evidence(YEAR).outcome(YEAR) == "better"


def test_a_search_looks_at_what_it_has_not_seen() -> None:
    """Those without a look come first, what is done with and what serves never."""
    rng, ledger = np.random.default_rng(1), Ledger(closed={3})
    one = worlds.unchanged(rng)
    for _ in range(7):
        search(one, ledger, rng)

    assert ledger.looks[0, 0] == ledger.looks[0, 3] == 0
    assert (ledger.looks[0, [i for i in range(1, 201) if i != 3]] > 0).all()


@pytest.mark.parametrize(
    ("nights_each", "one"),
    [((2, 1), 1), ((PATIENCE, 1), 2), ((PATIENCE, PATIENCE), 1), ((2 * PATIENCE, PATIENCE), 2)],
)
def test_challengers_take_turns(nights_each: tuple[int, int], one: int) -> None:
    """Who has had fewer turns is met, of those that had as many the one with more evidence."""
    known = enumerate(nights_each, 1)
    ledger = Ledger({n: Known(n, nights=many, won=many * PAIRS - n) for n, many in known})
    world, rng = world_of(0.0), np.random.default_rng(1)

    assert whose_turn(world, ledger, rng, None, PATIENCE) == one
    assert whose_turn(world, ledger, rng, None, math.inf) == 1


@pytest.mark.parametrize("way", WAYS)
def test_each_way_finds_what_is_much_better(way: str) -> None:
    """Half of the latency is in service in some nights, and the evidence begins anew."""
    one, ledger = world_of(math.log(0.5)), Ledger()
    told = list(islice(nights(one, WAYS[way], ledger, np.random.default_rng(1)), 8))

    assert [n.promoted for n in told].count(1) == 1
    assert not any(n.wrong for n in told)
    assert one.serves == 1
    assert ledger.open == {}


def test_evidence_promotes_less_that_is_wrong_than_points() -> None:
    """In a few years, with the same numbers for the same seed."""
    ours = years(MIXED, "kept", 6, 1)
    others = years(MIXED, "point estimates", 6, 1)

    assert ours == years(MIXED, "kept", 6, 1)
    assert ours.wrong <= 1
    assert others.wrong == others.harmful == 6


def test_a_better_one_is_found_late_in_a_year_and_after_a_shift() -> None:
    """Both questions tell of each run after how many nights it served."""
    for found in (met_late(AT_NIGHT, "kept", 3, 1), after_shift("longer prompts", "kept", 3, 1)):
        assert len(found.nights) == 3
        assert found.quantile(0.5) < 20


def test_never_counts_as_endless() -> None:
    """A run in which it never served is in the quantiles, not in those that were soon."""
    found = Found("w", "kept", (1, 3, 4, None), 0, 0)

    assert found.soon == 2
    assert [found.quantile(part) for part in (0.5, 0.9)] == [3, math.inf]


def test_a_record_is_read_back_and_makes_tables(tmp_path: Path) -> None:
    """It holds each run, and the tables have a line for each row."""
    record = Record("2026-11-30", "abc", 1, (Years("w", "kept", 40, 1, 0, 2),),
                    (Found(AT_NIGHT, "kept", (1, None), 0, 0),))  # fmt: skip
    write(tmp_path / "nights.json", record)

    assert read(tmp_path / "nights.json") == record
    assert f"| w | kept | {share(1, 40)} | {share(0, 40)} | 0.05 |" in tables(record)
    assert f"| kept | {share(1, 2)} | 1, never |" in tables(replace(record, years=()))


def test_the_page_shows_the_record() -> None:
    """The tables of bench/README.md are those of what was recorded."""
    page = README.read_text(encoding="utf-8")

    assert all(table in page for table in tables(read(RECORDED)).split("\n\n"))


def test_the_goals_hold_in_the_record_and_on_the_page() -> None:
    """Wrong in at most 5 % of 400 years, and in service within three nights in 80 % of 200 runs."""
    page = README.read_text(encoding="utf-8")
    record = read(RECORDED)
    year = next(r for r in record.years if (r.world, r.way) == (MIXED, "kept"))
    found = next(r for r in record.found if (r.world, r.way) == (AT_NIGHT, "kept"))

    assert year.years >= 400
    assert year.wrong <= YEAR * year.years
    assert len(found.nights) >= 200
    assert found.soon >= 0.8 * len(found.nights)
    summary, tables_below = page.split("## Commands")
    for told in (share(year.wrong, year.years), share(found.soon, len(found.nights))):
        assert told in summary
        assert told in tables_below
