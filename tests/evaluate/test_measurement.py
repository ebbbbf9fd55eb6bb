"""A measurement says only what its samples support, in one JSON shape."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.guard.test_classify import sample
from tuner.evaluate.lateness import Terms, by_block
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Client, Measurement, measurement
from tuner.report.closing.rows import rows
from tuner.report.documents import measurement_document
from tuner.report.measurement import show_measurement
from tuner.report.result import as_text
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Load, Metric, Sample, Slo
from tuner.stats.eprocess import Certificate
from tuner.workflow.tune.proving.reasons import what_stood_in_the_way

SLO = Slo("e2e", 0.99, 0.5)
STUDY = Study("s", "fake", "default", Workload((), hash="h"), slos=(SLO,))


def served(count: int, ms: float = 100.0, **changes: Any) -> list[Sample]:
    """Return samples that took so many milliseconds each, half of it to the first token."""
    facts: dict[str, Any] = {"guard": "correct", "output_tokens": 11} | changes
    return [
        sample("{}", first_ns=int(ms * 5e5), last_ns=int(ms * 1e6), prompt_id=str(i),
               cluster=str(i), **facts)
        for i in range(count)
    ]  # fmt: skip


def measured(samples: list[Sample], **terms: Any) -> Measurement:
    """Return their measurement."""
    return measurement(STUDY, {}, Measured(None, tuple(samples)), Terms(**terms))


def document(m: Measurement) -> Any:
    """Return a measurement as a reader of the JSON gets it."""
    return json.loads(json.dumps(measurement_document(m, STUDY, {}), allow_nan=False))


def test_bounds_are_null_where_n_cannot_support_them() -> None:
    """Forty requests have a p99 value and no upper bound for it; four hundred have one."""
    few, many = document(measured(served(40))), document(measured(served(400)))

    assert few["e2e"]["quantiles"]["0.99"]["value"] == pytest.approx(0.1)
    assert few["e2e"]["quantiles"]["0.99"]["high"] is None
    assert many["e2e"]["quantiles"]["0.99"]["high"] == pytest.approx(0.1)
    assert many["tpot"]["quantiles"]["0.5"]["value"] == pytest.approx(0.005)


def test_failures_spoil_the_tail_and_are_counted() -> None:
    """Five of a hundred requests that failed make the p99 infinite, which JSON says as null."""
    failed = served(5, outcome="error", guard="error")
    found = document(measured([*served(95), *failed]))

    assert found["e2e"]["quantiles"]["0.99"]["value"] is None
    assert found["failures"] == {"error": 5, "timeout": 0, "incomplete": 0}
    assert found["guard"]["classes"] == {"correct": 95, "error": 5}


def test_warm_up_is_counted_and_left_out() -> None:
    """A slow first request that was marked as warm-up is in no number, but said beside them."""
    found = measured([*served(1, 9000.0, warmup=True), *served(50)])
    failed = measured([*served(2, warmup=True, outcome="error"), *served(50)])

    assert (found.n, found.warmups) == (50, 1)
    assert found.quantiles["e2e"][0.99].value == pytest.approx(0.1)
    assert document(found)["slowest_warmup_s"] == pytest.approx(9.0)
    assert document(failed)["slowest_warmup_s"] is None
    assert "Warm-up, counted in no number: n = 1, slowest 9000 ms." in shown(found)
    assert "n = 2, slowest failed." in shown(failed)
    assert "Warm-up: none." in shown(measured(served(50)))


def test_a_pass_needs_its_engine_starts() -> None:
    """A thousand good requests on one engine start pass nothing that asks for two."""
    one = served(1000)
    two = [*served(500), *served(500, engine_start=2)]

    assert measured(one).certificates[SLO].verdict == "PASS"
    assert measured(one, starts=2).certificates[SLO].verdict == "UNDECIDED"
    assert measured(two, starts=2).certificates[SLO].verdict == "PASS"


@pytest.mark.parametrize(
    ("missed", "spent", "told"),
    [
        ({"sent_ns": 10**8}, Client(), "sent up to 100.0 ms late"),
        ({"loop_lag_ns": 10**8}, Client(), "stamped 100.0 ms late"),
        ({}, Client(cpu_s=1.9, elapsed_s=1.0, processes=2), "95% of the time"),
    ],
)
def test_a_saturated_client_decides_nothing(
    missed: dict[str, Any], spent: Client, told: str
) -> None:
    """A client that sent late, stamped late or had no time left makes the run invalid."""
    found = measurement(STUDY, {}, Measured(None, tuple(served(1000, **missed)), client=spent))

    assert told in str(found.saturated)
    assert f"--client-processes {2 * spent.processes}" in str(found.saturated)
    assert found.verdict == "UNDECIDED"


def test_a_client_that_keeps_up_is_not_held_against_the_server() -> None:
    """Lags within the limit, and a few beyond it, leave the run valid."""
    samples = [*served(20, loop_lag_ns=10**9), *served(980)]

    found = measurement(
        STUDY, {}, Measured(None, tuple(samples), client=Client(cpu_s=0.5, elapsed_s=1.0))
    )

    assert found.valid_run
    assert found.client.loop_lag_p99_s == 1.0


def test_open_loop_counts_from_the_plan() -> None:
    """In open loop a request that waited before it was sent was late by that."""
    study = replace(STUDY, workload=Workload((), load=Load(rate=5.0)))
    late = [replace(s, sent_ns=10**9, last_ns=int(1.1e9), first_ns=int(1.05e9)) for s in served(50)]

    assert measurement(study, {}, Measured(None, tuple(late))).quantiles["e2e"][
        0.5
    ].value == pytest.approx(1.1)
    assert measurement(STUDY, {}, Measured(None, tuple(late))).quantiles["e2e"][
        0.5
    ].value == pytest.approx(0.1)


def shown(m: Measurement) -> str:
    """Return all that is said of a measurement to people."""
    return as_text(show_measurement(m, STUDY, verbose=True))


@pytest.mark.parametrize(
    ("load", "loop", "counts_from", "words"),
    [
        (Load(), "closed", "sent", "closed loop, concurrency 1; latencies count from sending"),
        (Load(rate=5.0), "open", "planned", "latencies count from the planned time"),
    ],
)
def test_a_report_says_which_loop_it_was(
    load: Load, loop: str, counts_from: str, words: str
) -> None:
    """JSON and table name the loop and the instant from which latencies count."""
    study = replace(STUDY, workload=Workload((), load=load))
    found = measurement(study, {}, Measured(None, tuple(served(5))))
    told = measurement_document(found, study, {})

    assert (told["loop"], told["counts_from"]) == (loop, counts_from)
    assert words in " ".join(as_text(show_measurement(found, study)).split())


def test_several_slos_pass_only_together_and_each_at_its_own_5_percent() -> None:
    """Intersection-union: each SLO is judged with all of alpha, and one that fails decides."""
    slos = (Slo("e2e", 0.99, 0.5), Slo("ttft", 0.95, 0.2), Slo("tpot", 0.9, 0.02))
    study = replace(STUDY, slos=slos)

    def verdicts(samples: list[Sample]) -> tuple[str, list[str]]:
        found = measurement(study, {}, Measured(None, tuple(samples)))
        return found.verdict, [found.certificates[slo].verdict for slo in slos]

    assert verdicts(served(400)) == ("PASS", ["PASS"] * 3)
    assert {c.confidence for c in measured(served(400)).certificates.values()} == {0.95}
    # A hundred requests are enough for p95 and p90, and not for p99.
    assert verdicts(served(100)) == ("UNDECIDED", ["UNDECIDED", "PASS", "PASS"])
    # Half of 450 ms is over the bound on TTFT, within that on the whole answer.
    assert verdicts(served(400, 450.0)) == ("FAIL", ["PASS", "FAIL", "FAIL"])


@pytest.mark.parametrize("metric", ["ttft", "tpot"])
def test_ttft_and_tpot_are_certified_like_whole_answers(metric: Metric) -> None:
    """One late request in a thousand passes a p99, a failed one counts as late, fifty fail."""
    slo = Slo(metric, 0.99, 0.1)
    study = replace(STUDY, slos=(slo,))

    def certificate_of(late: list[Sample]) -> Certificate:
        samples = [*late, *served(1000)]
        random.Random(1).shuffle(samples)
        return measurement(study, {}, Measured(None, tuple(samples))).certificates[slo]

    slow, failed = served(1, 5000.0), served(1, outcome="error", guard="error")
    assert [certificate_of(late).late for late in (slow, failed)] == [1, 1]
    assert [certificate_of(late).verdict for late in (slow, failed)] == ["PASS", "PASS"]
    assert certificate_of(slow * 50).verdict == "FAIL"


@pytest.mark.parametrize("tokens", [0, 1])
def test_an_answer_of_one_token_has_no_time_for_a_token_and_is_not_late(tokens: int) -> None:
    """TPOT is over the tokens after the first; without any it is 0, unless the request failed."""
    [short] = served(1, 5000.0, output_tokens=tokens)

    assert short.latency_s("tpot") == 0.0
    assert replace(short, outcome="incomplete").latency_s("tpot") == math.inf
    assert replace(short, output_tokens=2).latency_s("tpot") == pytest.approx(2.5)


TPOT = Slo("tpot", 0.9, 0.1)


@pytest.mark.parametrize(
    ("known_ms", "known", "unknown", "verdict"),
    [
        (100.0, 0, 100, "UNDECIDED"),
        (100.0, 400, 4, "PASS"),
        (100.0, 60, 30, "UNDECIDED"),
        (9000.0, 60, 20, "FAIL"),
    ],
)
def test_a_verdict_on_tpot_stands_whatever_the_unknown_is(
    known_ms: float, known: int, unknown: int, verdict: str
) -> None:
    """Where the tokens of some answers are unknown, PASS takes them for late, FAIL for timely."""
    samples = [*served(unknown, output_tokens=None), *served(known, known_ms)]
    random.Random(0).shuffle(samples)

    found = measurement(replace(STUDY, slos=(TPOT,)), {}, Measured(None, tuple(samples)))

    assert found.certificates[TPOT].verdict == verdict
    assert (found.counts.told, found.counts.unknown) == (known, unknown)


def test_what_is_unknown_is_not_zero() -> None:
    """Without counts there is no tpot and no token rate, but requests a second there are."""
    study = replace(STUDY, slos=(TPOT,))
    found = measurement(study, {}, Measured(None, tuple(served(50, output_tokens=None))))
    told = json.loads(json.dumps(measurement_document(found, study, {}), allow_nan=False))
    shown = as_text(show_measurement(found, study))

    assert told["throughput"]["output_tokens_per_s"] is None
    assert told["throughput"]["requests_per_s"] > 0
    assert told["tpot"]["quantiles"]["0.5"] == {"value": None, "low": None, "high": None}
    output = {"told": 0, "by_chunks": 0, "unknown": 50, "fields": {}, "wanted": 0, "shorter": 0}
    assert told["output"] == output
    assert (told["verdicts"][0]["verdict"], told["verdicts"][0]["unknown"]) == ("UNDECIDED", 50)
    assert "UNDECIDED (0/50 late, 50 unknown)" in shown
    assert "Output tokens unknown in 50 answers" in shown
    assert "unknown" in what_stood_in_the_way(study, found, 0.05)[0]


def test_tokens_counted_by_chunks_are_said_to_be() -> None:
    """A count that no server told stands beside the numbers that rest on it."""
    samples = [*served(3, by_chunks=True), *served(2, unknown_fields=("inner_voice",))]
    shown = as_text(show_measurement(measured(samples), STUDY))

    assert document(measured(samples))["output"] == {
        "told": 2, "by_chunks": 3, "unknown": 0, "fields": {"inner_voice": 2},
        "wanted": 0, "shorter": 0,
    }  # fmt: skip
    assert "Tokens counted by chunks in 3 answers" in shown
    assert "in 2 answers: the field 'inner_voice'" in shown


def test_tpot_does_not_count_the_wait_of_open_loop() -> None:
    """Time for a token starts at the first token, whenever the request was planned."""
    [one] = served(1, 100.0)
    waited = replace(one, sent_ns=10**9, first_ns=int(1.05e9), last_ns=int(1.1e9))

    assert waited.latency_s("tpot", scheduled=True) == waited.latency_s("tpot")
    assert waited.latency_s("ttft", scheduled=True) == pytest.approx(1.05)


def test_blocks_are_engine_starts() -> None:
    """Samples are grouped by the start that served them, in order."""
    two = [*served(3), *served(2, 200.0, engine_start=2)]

    assert [len(block) for block in by_block(two)] == [3, 2]


def test_nothing_measured_is_a_document_too() -> None:
    """Without samples every number is null and nothing is proven."""
    found = document(measured([]))

    assert found["n"] == 0
    assert found["verdict"] == "UNDECIDED"
    assert found["e2e"]["quantiles"]["0.5"] == {"value": None, "low": None, "high": None}


def test_the_table_shows_n_and_interval() -> None:
    """No percentile stands without its bounds; what n cannot bound is a question mark."""
    found = dict(rows(STUDY, (measured(served(40)), None)))

    assert found["e2e p99 ms"] == ["100 [100, ?]", "-"]
    assert found["requests (starts)"] == ["40 (1)", "-"]
    assert found["e2e p99 <= 500 ms"] == ["UNDECIDED (0/40 late)", "-"]
