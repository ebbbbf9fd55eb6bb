"""Like is compared with like, and only what samples support is claimed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.guard.test_classify import sample
from tests.workflow.worlds import Recorder, study, world
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Client, measurement
from tuner.report.comparison import claims, comparison_document, show_comparison
from tuner.report.documents import measurement_document
from tuner.report.result import as_text
from tuner.spec.errors import InputError, NotComparable
from tuner.spec.study import Study
from tuner.spec.values import Effective, Load, Sample
from tuner.store import trial_folder
from tuner.store.run_folder import write_json
from tuner.store.trial_folder import Place, StoredTrial
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.compare import compare
from tuner.workflow.measuring.environment import (
    ALIKE,
    ALIKE_BEFORE,
    environment,
    gpu_names,
    identity,
)
from tuner.workflow.measuring.measure import measure
from tuner.workflow.tune.run import run

EFFECTIVE = Effective({"num_thread": 2}, (), (), "restart", 1, 1, "here", "v1", threads=2)
ENGINE = SimulatedEngine(world)


def asked(start: int, number: int, ms: float, *, wrong: bool = False) -> Sample:
    """Return a served request of so many ms, half of it to the first text."""
    return sample(
        "{}", prompt_id=f"s0-{start}-{number}", cluster=f"t{2 * (number % 40)}",
        first_ns=int(ms * 5e5), last_ns=int(ms * 1e6), output_tokens=11,
        engine_start=start, guard="wrong_fields" if wrong else "correct",
    )  # fmt: skip


def kept(
    out: Path, ms: float, *, starts: int = 5, of: Study | None = None, seed: int = 0,
    spread: float = 0.05, between: float = 0.0, wrong: bool = False, client: Client | None = None,
    counted: dict[str, Any] | None = None, **changes: Any,
) -> Path:  # fmt: skip
    """Write what `tune measure` writes, of 100 requests on each start, and return the folder.

    `changes` replace facts of its document, `counted` those of each sample.
    """
    made, rng = of or study(), np.random.default_rng(seed)
    samples = tuple(
        replace(asked(start, i, level * rng.lognormal(0, spread), wrong=wrong), **counted or {})
        for start, level in enumerate(ms * rng.lognormal(0, between, starts), start=1)
        for i in range(100)
    )
    candidate = {"num_batch": round(ms)}
    measured = Measured(EFFECTIVE, samples, client or Client())
    (out / "trials").mkdir(parents=True)
    trial_folder.write(out, StoredTrial("0000", Place("measure"), candidate, measured), {}, "")
    found = measurement(
        made, candidate, Measured(EFFECTIVE, tuple(samples), client=measured.client)
    )
    document = measurement_document(found, made, environment(ENGINE, "v1"))
    document["environment"] |= {k: v for k, v in changes.items() if k in document["environment"]}
    write_json(out / "measurement.json", document | changes)
    return out


def test_a_clear_difference_is_claimed_with_its_interval(tmp_path: Path) -> None:
    """Half the latency on several starts is lower, in the file, in words and in the table."""
    found = compare(kept(tmp_path / "a", 100.0), kept(tmp_path / "b", 50.0, seed=1))
    p99 = next(r for r in found.rows if r.name == "e2e p99")

    assert p99.claim == "lower"
    assert p99.ratio.high is not None
    assert 0.4 < (p99.ratio.low or 0) < 0.5 < p99.ratio.high < 0.6
    assert any(c.startswith("B's e2e p99 is lower than A's by 5") for c in claims(found))
    assert found.changed == {"num_batch": (100, 50)}
    assert found.reasons == ()
    assert json.loads(json.dumps(comparison_document(found), allow_nan=False))["comparable"]
    assert "num_batch: 100 -> 50" in as_text(show_comparison(found))


@pytest.mark.parametrize(
    ("ms", "words"), [(50.0, "B is faster than A."), (200.0, "B is slower than A.")]
)
def test_the_answer_comes_first(tmp_path: Path, ms: float, words: str) -> None:
    """Which of the two is faster, then by how much, then whether their answers differ."""
    found = compare(kept(tmp_path / "a", 100.0), kept(tmp_path / "b", ms, seed=1))
    side = "lower" if ms < 100 else "higher"
    said = " ".join(as_text(show_comparison(found)).split())

    assert said.startswith(words)
    assert f"Latency of B e2e p50 {side} by " in said
    assert "points on 40 same prompts; no difference is claimed." in said


@pytest.mark.parametrize("seed", range(1, 6))
def test_like_runs_claim_nothing(tmp_path: Path, seed: int) -> None:
    """Two runs of one candidate differ by chance, which is no gain and is said to be none."""
    found = compare(kept(tmp_path / "a", 100.0), kept(tmp_path / "b", 100.0, seed=seed))

    assert claims(found) == ()
    assert "each lies within its interval or the noise" in as_text(show_comparison(found))


@pytest.mark.parametrize("ms", [95.0, 105.0])
def test_occasions_that_lie_a_twentieth_apart_claim_nothing(tmp_path: Path, ms: float) -> None:
    """However exactly each was measured: so much may be the occasion's, and the words say so."""
    a, b = (kept(tmp_path / str(t), t, spread=0.001) for t in (100.0, ms))
    found = compare(a, b)

    assert claims(found) == ()
    assert found.rows[0].ratio.value == pytest.approx(ms / 100, rel=1e-3)
    assert comparison_document(found)["allowance"] == 0.05
    said = " ".join(as_text(show_comparison(found, verbose=True)).split())
    assert "5% by which two occasions may differ though nothing was changed" in said


def test_a_tenth_is_claimed_where_starts_agree(tmp_path: Path) -> None:
    """What clears both the interval and the allowance is claimed, on the same prompts."""
    found = compare(kept(tmp_path / "a", 100.0), kept(tmp_path / "b", 88.0, seed=1))

    assert {row.name: row.claim for row in found.rows}["e2e p50"] == "lower"


def test_where_starts_differ_more_nothing_is_claimed(tmp_path: Path) -> None:
    """Each start a tenth apart from the next: a gain of a tenth is no more than their spread."""
    found = compare(
        kept(tmp_path / "a", 100.0, between=0.1), kept(tmp_path / "b", 88.0, seed=1, between=0.1)
    )

    assert claims(found) == ()


def test_other_prompts_are_compared_by_their_starts(tmp_path: Path) -> None:
    """Without a prompt in common the levels of starts remain, and a clear difference shows."""
    a = kept(tmp_path / "a", 100.0)
    b = kept(tmp_path / "b", 50.0, seed=1, counted={"prompt_id": "other"})
    found = compare(a, b)

    assert found.pairs == 0
    assert {row.name: row.claim for row in found.rows}["e2e p50"] == "lower"


def test_one_engine_start_proves_no_difference(tmp_path: Path) -> None:
    """However large it is: what differs between starts was not seen, and the table says so."""
    found = compare(kept(tmp_path / "a", 100.0, starts=1), kept(tmp_path / "b", 50.0, seed=1))

    assert claims(found) == ()
    assert found.rows[0].ratio.value == pytest.approx(0.5, abs=0.05)
    assert "A comes from 1 engine start" in as_text(show_comparison(found))


def test_answers_are_compared_on_the_same_prompts(tmp_path: Path) -> None:
    """Only wrong answers on one side are a difference; other prompts are no pairs."""
    a, b = kept(tmp_path / "a", 100.0), kept(tmp_path / "b", 100.0, wrong=True)
    found = compare(a, b)

    assert found.pairs == 40
    assert found.correct.value == pytest.approx(-1.0)
    assert any("share of correct answers" in claim for claim in claims(found))


@pytest.mark.parametrize("fact", ALIKE)
def test_unlike_measurements_are_refused_by_name(tmp_path: Path, fact: str) -> None:
    """Each fact that has to agree is checked, the refusal names it with both values."""
    a = kept(tmp_path / "a", 100.0, starts=1)
    b = kept(tmp_path / "b", 50.0, starts=1, **{fact: "another"})

    with pytest.raises(NotComparable, match=rf'- {fact}: A has .*, B has "another"\n') as refused:
        compare(a, b)
    assert refused.value.exit_code == 6
    forced = compare(a, b, force=True)
    assert [d.fact for d in forced.unlike] == [fact]
    assert comparison_document(forced)["comparable"] is False


def test_open_against_closed_loop_is_named(tmp_path: Path) -> None:
    """Their latencies mean different things: refused, and with force nothing is claimed."""
    load = replace(study().workload, load=Load(rate=2.0))
    a, b = kept(tmp_path / "a", 100.0), kept(tmp_path / "b", 50.0, of=study(workload=load))

    with pytest.raises(NotComparable, match='loop: A has "closed", B has "open"'):
        compare(a, b)
    forced = compare(a, b, force=True)
    assert claims(forced) == ()
    assert "one is an open loop and the other a closed one" in as_text(show_comparison(forced))


@pytest.mark.parametrize(
    ("counted", "shown"),
    [({"by_chunks": True}, "counted by chunks"), ({"output_tokens": None}, "unknown")],
)
def test_paces_are_compared_only_where_both_are_known_alike(
    tmp_path: Path, counted: dict[str, Any], shown: str
) -> None:
    """Told tokens against chunks, or against nothing, claim nothing about tpot; e2e they do."""
    a = kept(tmp_path / "a", 100.0)
    found = compare(a, kept(tmp_path / "b", 50.0, seed=1, counted=counted))

    claims = {row.name: row.claim for row in found.rows}
    assert claims["tpot p50"] is claims["tpot p99"] is None
    assert claims["e2e p50"] == "lower"
    assert shown in as_text(show_comparison(found))


def test_a_late_client_is_said(tmp_path: Path) -> None:
    """Latencies of a client that could not keep up support no claim."""
    late = kept(tmp_path / "b", 50.0, client=Client(cpu_s=1.0, elapsed_s=1.0))
    found = compare(kept(tmp_path / "a", 100.0), late)

    assert claims(found) == ()
    assert "B: its client could not keep up" in found.reasons[0]


def test_without_samples_there_is_no_interval(tmp_path: Path) -> None:
    """A document alone, as CI keeps it, shows its numbers and claims nothing."""
    a, b = kept(tmp_path / "a", 100.0), kept(tmp_path / "b", 50.0)
    alone = tmp_path / "alone.json"
    (b / "measurement.json").rename(alone)
    found = compare(a, alone)

    assert claims(found) == ()
    assert found.rows[0].ratio.value is None
    assert found.rows[0].b.value == pytest.approx(0.05, rel=0.1)
    assert "B: its samples are not all in trials/" in found.reasons[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a document of tune"),
        ("[]", "not a document of tune"),
        ('{"schema": "tuner.plan/1"}', "found tuner.plan/1"),
        ('{"schema": "tuner.result/1", "best": null}', "measured no candidate"),
    ],
)
def test_bad_input_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    """What cannot be compared is refused as input, with what was found."""
    (tmp_path / "result.json").write_text(text)

    with pytest.raises(InputError, match=said):
        compare(tmp_path, tmp_path)
    with pytest.raises(InputError, match="expected a measurement"):
        compare(tmp_path / "nowhere", tmp_path)


def test_runs_and_measurements_are_read_from_their_folders(tmp_path: Path) -> None:
    """The best of a run is found with all its samples, and compared with a measurement's."""
    made = study(budget_s=600.0)
    result = virtually(run(made, tmp_path / "run", Recorder(), SimulatedEngine(world)))
    virtually(measure(made, tmp_path / "one", requests=60, engine=SimulatedEngine(world)))
    same = compare(tmp_path / "run", tmp_path / "run" / "result.json")
    forced = compare(tmp_path / "one", tmp_path / "run", force=True)

    assert result.best is not None
    assert len(same.a.samples) == len(same.b.samples) == result.best.n
    assert claims(same) == ()
    assert same.pairs == result.best.guard.templates
    assert [d.fact for d in forced.unlike] == ["prompts"]  # search prompts against held-out ones


def test_one_list_says_what_must_agree() -> None:
    """What --resume checks is part of it, and every document holds all of it."""
    made = study()
    found = measurement(made, {}, Measured(EFFECTIVE, (asked(1, 1, 5.0),)))
    document = measurement_document(found, made, environment(ENGINE, "v1"))

    assert set(ALIKE_BEFORE) < set(ALIKE)
    assert set(ALIKE_BEFORE) < set(identity(made, ENGINE, {}))
    assert set(ALIKE) <= {*document, *document["environment"]}
    assert document["threads"] == 2


def test_gpus_are_named_by_their_driver(tmp_path: Path) -> None:
    """Each GPU's model is a fact; without a driver there is none."""
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
        (tmp_path / "gpus" / bus / "information").write_text(
            "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 18\n"
        )

    assert gpu_names(tmp_path) == ["NVIDIA H100 80GB HBM3"] * 2
    assert gpu_names(tmp_path / "nowhere") is None
