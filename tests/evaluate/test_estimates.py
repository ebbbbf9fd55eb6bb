"""Search and measurement say the same of the same samples."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.guard.test_classify import sample
from tests.workflow.worlds import study
from tuner.evaluate.estimates import is_late, latencies, shares, tokens_per_s, worst_latencies
from tuner.evaluate.lateness import Lateness, Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.spec.values import Load, Sample, Slo

OPEN = replace(study().workload, load=Load(rate=5.0))

OUTCOMES = st.lists(
    st.tuples(
        st.integers(1, 2 * 10**9),
        st.sampled_from(["ok", "timeout", "error"]),
        st.sampled_from([None, 1, 7]),
        st.sampled_from(["correct", "wrong_fields", "truncated"]),
    ),
    min_size=1,
    max_size=30,
)


def samples_of(drawn: list[tuple[int, str, int | None, str]]) -> list[Sample]:
    """Return samples in the order of sending, planned 5 ms before they were sent."""
    return [
        sample(
            "x", prompt_id=f"p{i}", cluster=f"p{i}", outcome=outcome, output_tokens=tokens,
            guard=guard, planned_ns=i * 10**10, sent_ns=i * 10**10 + 5 * 10**6,
            first_ns=i * 10**10 + took // 2 + 5 * 10**6, last_ns=i * 10**10 + took + 5 * 10**6,
        )
        for i, (took, outcome, tokens, guard) in enumerate(drawn)
    ]  # fmt: skip


@given(OUTCOMES, st.sampled_from(["e2e", "ttft", "tpot"]), st.booleans())
def test_one_request_is_late_as_the_certificate_counts_it(
    drawn: list[tuple[int, str, int | None, str]], metric: str, open_loop: bool
) -> None:
    """A single sample, an estimate and the certificate agree on who was late, and who may be."""
    slo = Slo(metric, 0.9, 0.5)  # type: ignore[arg-type]
    asked = study(slos=(slo,), **({"workload": OPEN} if open_loop else {}))
    samples = samples_of(drawn)
    late = [is_late(asked, slo, s) for s in samples]
    certificate = Lateness.of(asked, samples, Terms()).certificate(slo)
    worst = worst_latencies(asked, slo.metric, samples)

    known = latencies(asked, slo.metric, samples)
    assert [None if math.isnan(s) else s > slo.max_s for s in known] == late
    assert certificate.late in (late.count(True), late.count(True) + late.count(None))
    assert [s > slo.max_s for s in worst] == [found is not False for found in late]
    assert np.isinf(worst).sum() >= late.count(None)


@given(OUTCOMES)
def test_shares_and_rates_are_those_of_a_measurement(
    drawn: list[tuple[int, str, int | None, str]],
) -> None:
    """What ranks a trial is what its measurement would print."""
    samples = samples_of(drawn)
    found = measurement(study(), {}, Measured(None, tuple(samples)))

    assert shares(samples) == (found.guard.valid.value, found.guard.correct.value)
    assert tokens_per_s(samples) == found.throughput["output_tokens_per_s"]
