"""The worlds of dependent requests are as they say, and the rows are judged as a run judges."""

from __future__ import annotations

import ast
import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dependent import capacity, draws, stalls
from bench.dependent.draws import Drawn, World, independent, latencies, starts, true_quantile
from bench.dependent.judge import P99, as_samples, may_tell, study, traffic
from bench.dependent.prices import Price, at_least
from bench.dependent.record import RECORDED, Run, merged, outcome, read, tables, write
from bench.dependent.rows import Row, Told, rows
from bench.dependent.stalls import STALL_S, UNLIKE, closed, opened
from tuner.evaluate.lateness import Lateness, Terms
from tuner.search.budget import LEAST_WAVES
from tuner.spec.values import Load

TERMS = Terms(alpha=0.025)

README = Path(__file__).parents[2] / "bench" / "README.md"


def runs_of(world: World, blocks: int, n: int, seed: int = 3) -> list[Drawn]:
    """Return so many runs of one block."""
    rng = np.random.default_rng(seed)
    return [world(rng)(n) for _ in range(blocks)]


def half_late(count: int) -> World:
    """Return a world in which one template of four is late every other time."""
    asked = traffic(study([1.0] * count))
    late = np.where(np.arange(count) % 4 == 0, 0.5, 0.0)
    return draws.templates(asked, late, np.ones(count))


@pytest.mark.parametrize(
    "made",
    [
        lambda: independent(0.05),
        lambda: half_late(40),
        lambda: draws.sampled_templates(traffic(study([1.0] * 200)), 0.05),
        lambda: draws.bursts(0.05, 8),
        lambda: draws.turning(independent(0.0), timely=300, late=0.05),
        lambda: starts(0.05, 0.05),
        lambda: closed(1, 0.05),
        lambda: closed(8, 0.05, UNLIKE),
        lambda: closed(8, 0.0, UNLIKE, slow=independent(0.05)),
        lambda: opened(4, 0.05),
        lambda: opened(1, 0.05, UNLIKE),
        lambda: closed(8, 0.02, slow=draws.joined(starts(0.02, 0.05), half_late(40))),
    ],
)
def test_a_world_is_late_as_often_as_it_says(made: Callable[[], World]) -> None:
    """Over many runs the late share is the mean chance."""
    found = runs_of(made(), 600, 400)

    late = np.array([drew.late.mean() for drew in found])
    chance = np.array([drew.chance.mean() for drew in found])
    assert (late - chance).mean() == pytest.approx(0, abs=4 * late.std() / math.sqrt(len(found)))


def test_a_closed_loop_keeps_as_many_in_flight() -> None:
    """Each request finds the others in flight, one fewer than the concurrency, stalls or not."""
    drew = closed(8, 0.05, UNLIKE)(np.random.default_rng(1))(500)

    assert np.array_equal(stalls.in_flight(drew), np.minimum(np.arange(500), 7))


def test_an_open_loop_has_as_many_in_flight_on_average() -> None:
    """Without stalls the requests in flight are those of a queue with servers for all."""
    drew = opened(4, 0.0)(np.random.default_rng(1))(20_000)

    assert stalls.in_flight(drew)[100:].mean() == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("world", [closed(8, 0.03), closed(8, 0.03, UNLIKE), opened(4, 0.03)])
def test_a_stall_makes_all_that_is_in_flight_late(world: World) -> None:
    """Who is timely took its work alone, and who is late waited for a stall."""
    for drew in runs_of(world, 20, 400):
        assert (drew.latency_s[~drew.late] < STALL_S).all()
        ended = drew.sent_s + drew.latency_s
        for place in np.flatnonzero(drew.late & (drew.latency_s > STALL_S + UNLIKE.max())):
            # the stall began while it worked, at the latest when its work would have ended
            halted = drew.sent_s[place] + UNLIKE.max()
            through = (drew.sent_s < drew.sent_s[place]) & (ended > halted + STALL_S)
            assert drew.late[through].all()


@pytest.mark.parametrize("apart", [0.0, 0.03, 0.05])
def test_the_starts_of_a_run_are_late_as_often_as_it_says(apart: float) -> None:
    """Over blocks of one length the mean chance of its own starts is exact, however unlike."""
    block = starts(0.01, apart, own=4)(np.random.default_rng(2))

    chances = [block(100).chance.mean() for _ in range(4)]
    assert np.mean(chances) == pytest.approx(0.01, abs=1e-9)
    assert (max(chances) - min(chances) < 1e-9) == (apart == 0)


@pytest.mark.parametrize("late", [0.005, 0.01, 0.03])
def test_the_true_quantile_is_that_of_the_draws(late: float) -> None:
    """So many of many draws lie below it."""
    rng = np.random.default_rng(4)
    seconds = latencies(rng, rng.random(400_000) < late)

    assert (seconds <= true_quantile(late, 0.99)).mean() == pytest.approx(0.99, abs=0.001)
    assert true_quantile(0.01, 0.99) == pytest.approx(draws.TARGET_S)


def test_the_generators_share_nothing_with_what_they_test() -> None:
    """They are made of numpy and the standard library, and of each other."""
    for module in (draws, stalls):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        named = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        named += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        assert {str(name).split(".")[0] for name in named}.isdisjoint({"tuner", "scipy"})


def test_templates_are_asked_as_a_run_asks_them() -> None:
    """The order is that of the supply, in which each template comes as often as it weighs."""
    found = traffic(study([1.0] * 40 + [5.0] * 4))

    often = Counter(found.order[: found.order.size // 60 * 60].tolist())
    assert often[43] == pytest.approx(5 * often[0], rel=0.15)
    assert found.share(found.weights == 5) == pytest.approx(20 / 60)


def test_samples_say_what_was_drawn() -> None:
    """Templates, starts, answers and times are those of the draws, later starts later in time."""
    drew = draws.one_by_one(
        np.array([0.5, 1.5]), np.zeros(2), np.array([3, 4]), np.array([True, False])
    )
    first = as_samples(drew)
    second = as_samples(drew, first)

    assert [s.cluster for s in first + second] == ["3", "4", "3", "4"]
    assert [s.engine_start for s in first + second] == [1, 1, 2, 2]
    assert [s.guard for s in first] == ["correct", "wrong_fields"]
    assert [s.latency_s("e2e") for s in second] == pytest.approx([0.5, 1.5], abs=1e-5)
    assert all(a.end_ns <= b.sent_ns for a, b in itertools.pairwise(first + second))
    assert len({s.prompt_id for s in first + second}) == 4


@given(late=st.sets(st.integers(0, 1999), max_size=40), n=st.integers(1, 2000))
def test_no_look_is_spared_that_told_something(late: set[int], n: int) -> None:
    """Where a verdict has fallen, the bound on all bets says that it could."""
    drew = draws.one_by_one(np.where(np.isin(np.arange(n), list(late)), 1.5, 0.5), np.zeros(n))
    for load in (Load(), Load(concurrency=2)):
        asked = study(load=load)
        found = Lateness.of(asked, as_samples(drew), TERMS).certificate(P99)
        assert found.verdict == "UNDECIDED" or may_tell(drew.late, load, asked.claim)[-1]


@given(places=st.sets(st.integers(0, 1500), max_size=8), n=st.integers(1, 1500))
def test_no_look_is_spared_that_could_have_passed(places: set[int], n: int) -> None:
    """While so many more come, all of them timely, a target does not pass."""
    late = np.isin(np.arange(3000), list(places))
    samples = as_samples(draws.one_by_one(np.where(late, 1.5, 0.5), np.zeros(3000)))
    found = Lateness.of(study(), samples[:n], TERMS).certificate(P99)
    late[n:] = False
    samples = as_samples(draws.one_by_one(np.where(late, 1.5, 0.5), np.zeros(3000)))

    spared = at_least(found, P99.quantile)
    after = Lateness.of(study(), samples[: n + spared], TERMS).certificate(P99)
    assert after.verdict != "PASS" or found.verdict == "PASS" or not spared


def test_a_level_waits_for_what_is_in_flight() -> None:
    """A load is measured until a verdict falls, and what was sent by then counts."""
    rng = np.random.default_rng(1)
    found = capacity.level(study(load=Load(concurrency=8)), closed(8, 0.5), rng, TERMS)

    assert not found.met
    assert found.measured.n == 8 * LEAST_WAVES + 8


def test_a_search_ends_at_what_is_carried() -> None:
    """Where every load above is hopeless the highest that is met is the one below."""
    found = capacity.search(
        lambda c: closed(c, 0.0 if c <= 3 else 0.9), 8, np.random.default_rng(1)
    )

    assert found.highest is not None
    assert (found.highest.size, found.next and found.next.size) == (3, 4)


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("half of the traffic right: of 10 templates of weight 6 and 60 of 1, light", 3),
        ("8 in flight, stalls", 20),
        ("7 % late from request 450 on, answers still open", 20),
    ],
)
def test_a_row_keeps_its_promise(name: str, runs: int) -> None:
    """As many are told something wrong as is promised, up to chance."""
    row = next(row for row in rows() if row.name == name)
    rng = np.random.default_rng(5)

    found = outcome(row, [row.trial(rng) for _ in range(runs)])
    assert found.runs == runs
    assert found.wrong <= 1


def test_outcomes_are_recorded_and_read_back(tmp_path: Path) -> None:
    """A record gives the same runs again, and its tables have a line for each row and price."""
    price = Price("1 in flight", 0.0, 1, 1, 412.0, 412.0, 20_000)
    told = [Told("PASS", True), Told("FAIL", False), Told("UNDECIDED", False)]
    row = Row("templates", "some", lambda rng: told[0], 0.025)
    run = Run("before", "2026-11-30", "abc", 1, (outcome(row, told),), (price,))
    write(tmp_path / "run.json", [run, replace(run, label="after")])

    assert read(tmp_path / "run.json") == [run, replace(run, label="after")]
    again = replace(run, seed=2, prices=())
    assert merged([run], again) == [replace(again, prices=run.prices)]
    assert "| some | 2.5% | 33.3% | 33.3% ± " in tables([run])
    assert "| 1 in flight | 0.0% | 20,000 | 412 (412) |" in tables([run])


def test_the_page_shows_the_recorded_runs() -> None:
    """The tables of bench/README.md are those of the record."""
    page = README.read_text(encoding="utf-8")

    assert all(table in page for table in tables(read(RECORDED)).split("\n\n"))


def test_what_was_recorded_last_keeps_its_promises() -> None:
    """All but one are told something wrong as seldom as promised, up to three standard errors."""
    last = read(RECORDED)[-1]

    assert {row.name for row in rows()} == {o.name for o in last.outcomes}
    assert all(o.kept for o in last.outcomes)
