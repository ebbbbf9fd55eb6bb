"""The operating characteristics of certificates are those of what the tuner uses."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.certificate import (
    RECORDED,
    Case,
    at_each,
    document,
    drawn,
    judged,
    looked_at,
    looks,
    read,
    simulate,
    write,
)
from bench.exact import at_most, operating
from bench.lateness import CLUSTERED, INDEPENDENT, World, bursts
from bench.operating import Outcome, tables
from tuner.stats.eprocess import certify, certify_observed
from tuner.stats.quantiles import quantile

README = Path(__file__).parents[2] / "bench" / "README.md"


def case(world: World, rate: float, draws: int) -> Case:
    """Return a case for p99 with a fixed seed."""
    return Case(world, 0.99, rate, draws, np.random.SeedSequence(7))


def ways(found: list[Outcome]) -> dict[str, Outcome]:
    """Return outcomes by how they were judged."""
    return {o.way: o for o in found}


@pytest.mark.parametrize("world", [INDEPENDENT, *CLUSTERED], ids=lambda w: w.name)
def test_a_world_is_late_as_often_as_it_says(world: World) -> None:
    """Over many requests the late rate is the one asked for."""
    late = world.draw(np.random.default_rng(3), 2_000_000, 0.02)

    assert late.mean() == pytest.approx(0.02, abs=0.001)


def test_looking_again_and_again_skips_no_verdict() -> None:
    """The first verdict of all looks ends a run, and without one the last look does."""
    rng = np.random.default_rng(5)
    for length in (1, 1, 3, 8):
        late = bursts(rng, 700, 0.01 if length > 1 else 0.03, length)
        each = [certify_observed(late[:n]) for n in looks(late.size)]
        decided = [c for c in each if c.verdict != "UNDECIDED"]
        assert looked_at(late, certify_observed) == (decided or each)[0 if decided else -1]
        all_ = [certify(late[:n]) for n in range(1, late.size + 1)]
        decided = [c for c in all_ if c.verdict != "UNDECIDED"]
        assert at_each(late) == (decided or all_)[0 if decided else -1]


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_a_false_verdict_is_no_more_likely_than_promised(q: float) -> None:
    """Computed, not simulated: at exactly 1 - q late a PASS or a FAIL has at most 5 %."""
    passed, failed, undecided, _ = operating(1 - q, q, round(30 / (1 - q)))

    assert 0.03 < passed <= 0.05
    assert 0.02 < failed <= 0.05
    assert passed + failed + undecided == pytest.approx(1)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_what_is_computed_is_what_certify_does(rate: float) -> None:
    """Chances and requests agree with runs of the certificate itself, up to chance."""
    rng = np.random.default_rng(11)
    found = [at_each(rng.random(150) < rate, 0.8) for _ in range(1500)]
    passed, failed, undecided, n = operating(rate, 0.8, 150)

    shares = [np.mean([c.verdict == v for c in found]) for v in ("PASS", "FAIL", "UNDECIDED")]
    assert shares == pytest.approx([passed, failed, undecided], abs=0.04)
    assert np.mean([c.n for c in found]) == pytest.approx(n, rel=0.08)


def test_usual_practice_passes_what_is_twice_too_late_in_40_of_100() -> None:
    """At 2 % late the p99 of 100 samples meets the target in 40 %, none of 299 in 0.2 %."""
    assert at_most(1, 100, 0.02)[0] == pytest.approx(0.403, abs=0.001)
    assert at_most(0, 299, 0.02)[0] == pytest.approx(0.98**299)


def test_simulated_rules_agree_with_what_is_computed() -> None:
    """In the world of independent requests, drawn as bursts of 1, both give the same."""
    alike = World("bursts of 1", 0, bursts)
    computed = ways(simulate(case(INDEPENDENT, 0.02, 2)))
    drawn_ones = ways(simulate(case(alike, 0.02, 300)))

    assert computed["m = 0"].failed > 0.99
    for way in ("m = 0", "299", "p99 of 100"):
        assert drawn_ones[way].passed == pytest.approx(computed[way].passed, abs=0.1)
    assert drawn_ones["m = 0"].n == pytest.approx(computed["m = 0"].n, rel=0.15)


def test_the_p99_of_100_is_in_time_while_one_is_late() -> None:
    """One late request of a hundred leaves the p99 near the others, two do not."""
    for count in (1, 2):
        late = np.arange(400) < count
        p99 = quantile(np.where(late[:100], 2.0, 0.1), 0.99)
        assert (judged(late, 0)["p99 of 100"].verdict == "PASS") == (p99 < 0.5)


def test_what_does_not_stand_for_bursts_is_no_claim() -> None:
    """A PASS counts as claimed only up to its burst length, as seen only with late requests."""
    quiet = np.zeros(800, dtype=bool)

    assert judged(quiet, 1)["claimed"].verdict == "UNDECIDED"
    assert judged(quiet, 0)["claimed"].verdict == "PASS"
    assert judged(quiet, 0)["burst seen"].verdict == "UNDECIDED"
    assert judged(quiet, 1)["stated m"].n >= 2 * judged(quiet, 0)["m = 0"].n


def test_outcomes_are_recorded_and_read_back(tmp_path: Path) -> None:
    """A record gives the same outcomes again, and a chart with one curve for each rule."""
    found = simulate(case(INDEPENDENT, 0.0, 2)) + simulate(case(INDEPENDENT, 0.05, 2))
    write(tmp_path / "run.json", document(found, 2, 7))
    (tmp_path / "run.svg").write_text(drawn(found), encoding="utf-8")

    assert read(tmp_path / "run.json") == found
    curves = ElementTree.parse(tmp_path / "run.svg").findall("{*}polyline")
    assert len(curves) == 3
    assert all(len(curve.attrib["points"].split()) == 2 for curve in curves)


def test_the_page_shows_the_recorded_run() -> None:
    """The tables of bench/README.md are those of the record, and the chart is drawn from it."""
    found, page = read(RECORDED), README.read_text(encoding="utf-8")

    assert all(table in page for table in tables(found).split("\n\n"))
    assert RECORDED.with_suffix(".svg").read_text(encoding="utf-8") == drawn(found)


def test_the_recorded_run_promises_no_more_than_it_holds() -> None:
    """False PASS within 5 % and three standard errors, wherever it is promised."""
    promised = [
        o
        for o in read(RECORDED)
        if o.harmful
        and not o.lateness.startswith("AR")
        and (o.way in ("stated m", "claimed", "burst seen") or (o.way, o.m) == ("observed m", 0))
    ]

    assert len(promised) > 40
    assert all(o.passed <= 0.05 + 3 * o.passed_se for o in promised)
