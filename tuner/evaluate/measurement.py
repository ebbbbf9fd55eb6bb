"""Compute everything that is said about one candidate, from its samples and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuner.engines.observation import Observation
from tuner.evaluate.estimates import requests_per_s, tokens_per_s
from tuner.evaluate.failures import reasons
from tuner.evaluate.lateness import Lateness, Terms, in_order
from tuner.evaluate.measured import Client, Measured
from tuner.evaluate.token_counts import Counts, counts
from tuner.guard.verdict import GuardReport, overall, report
from tuner.machine.disturbance import Disturbance
from tuner.machine.resources import Resources
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Metric, Sample, Slo, Verdict
from tuner.stats.eprocess import Certificate
from tuner.stats.quantiles import Bound

QUANTILES = (0.5, 0.95, 0.99)
METRICS: tuple[Metric, ...] = ("e2e", "ttft", "tpot")

LAG_LIMIT_S = 0.005
LAG_LIMIT_SHARE = 0.05
"""A client that sends or stamps later than the larger of these (seconds; share of the tightest
target) makes the run invalid."""

CPU_LIMIT_SHARE = 0.9
"""A client process that works for a larger share of the time than this cannot keep up."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One candidate as measured: the numbers of `tuner.measurement/1`.

    `confidence` is that of each verdict and of each end of an interval. `slowest_warmup_s` is the
    largest e2e latency of the `warmups`, infinite where one failed. An unknown rate in
    `throughput` is None; `quantiles` are those of the known latencies. `saturated` says why the
    client could not keep up, None where it could.
    """

    candidate: Candidate
    effective: Effective | None
    samples: tuple[Sample, ...]
    certificates: Mapping[Slo, Certificate]
    quantiles: Mapping[str, Mapping[float, Bound]]
    confidence: float
    guard: GuardReport
    failures: Mapping[str, int]
    throughput: Mapping[str, float | None]
    counts: Counts
    client: Client
    saturated: str | None
    memory_bytes: int | None = None
    failure_reasons: Mapping[str, int] = field(default_factory=dict)
    warmups: int = 0
    slowest_warmup_s: float | None = None
    resources: Resources | None = None
    machine: Disturbance | None = None
    observed: Observation | None = None

    @property
    def n(self) -> int:
        """Return the number of measured requests."""
        return len(self.samples)

    @property
    def valid_run(self) -> bool:
        """Tell whether the client kept up, so that the numbers are the server's."""
        return self.saturated is None

    @property
    def latency_verdict(self) -> Verdict:
        """Return PASS when every SLO passed; UNDECIDED where the client did not keep up."""
        if not self.valid_run:
            return "UNDECIDED"
        return overall([c.verdict for c in self.certificates.values()])

    @property
    def verdict(self) -> Verdict:
        """Return PASS when every SLO and every floor of the guard passed."""
        if not self.valid_run:
            return "UNDECIDED"
        return overall([self.latency_verdict, self.guard.verdict])

    @property
    def starts(self) -> int:
        """Return how many engine starts the samples come from."""
        return len({s.engine_start for s in self.samples})


def measurement(
    study: Study, candidate: Candidate, measured: Measured, terms: Terms | None = None
) -> Measurement:
    """Compute a measurement; warm-up samples are counted and left out of every number."""
    terms = terms or Terms()
    samples = tuple(in_order(measured.counted))
    warmups = [s.latency_s("e2e") for s in measured.samples if s.warmup]
    client = measured.client.lagging(samples)
    lateness = Lateness.of(study, samples, terms)
    return Measurement(
        candidate=candidate,
        effective=measured.effective,
        samples=samples,
        certificates={slo: lateness.certificate(slo) for slo in study.slos},
        quantiles={m: lateness.quantiles(m, QUANTILES) for m in METRICS},
        confidence=1 - terms.alpha,
        guard=_guard(study, samples, terms),
        failures=_failures(samples),
        failure_reasons=reasons(samples),
        throughput=_throughput(samples),
        counts=counts(samples),
        client=client,
        saturated=saturation(study, client),
        memory_bytes=measured.memory_bytes,
        warmups=len(warmups),
        slowest_warmup_s=max(warmups, default=None),
        resources=measured.resources,
        machine=measured.machine,
        observed=measured.observed,
    )


def _guard(study: Study, samples: Sequence[Sample], terms: Terms) -> GuardReport:
    visits, baseline = study.workload.visits, terms.baseline
    return report(samples, study.guard, alpha=terms.alpha, visits=visits, baseline=baseline)


def saturation(study: Study, client: Client) -> str | None:
    """Say why the client could not keep up, None where it could.

    A client that lacks time is slow in most rounds of its event loop. A few slow rounds are the
    machine's: they make latencies longer, never shorter, and are reported with them.
    """
    tightest = min((s.max_s for s in study.slos if s.metric != "tpot"), default=1.0)
    limit_s = max(LAG_LIMIT_S, LAG_LIMIT_SHARE * tightest)
    if client.lag_p99_s > limit_s:
        found = f"requests were sent up to {client.lag_p99_s * 1000:.1f} ms late (p99)"
    elif client.loop_lag_p50_s > limit_s:
        found = f"arrivals were stamped {client.loop_lag_p50_s * 1000:.1f} ms late (p50)"
    elif client.cpu_share > CPU_LIMIT_SHARE:
        found = f"the client worked for {client.cpu_share:.0%} of the time"
    else:
        return None
    return (
        f"the client could not keep up: {found}, so the run is invalid, not slow; use "
        f"--client-processes {2 * client.processes}, a lower load or a quieter machine"
    )


def _failures(samples: Sequence[Sample]) -> dict[str, int]:
    counts = Counter(s.outcome for s in samples)
    return {outcome: counts[outcome] for outcome in ("error", "timeout", "incomplete")}


def _throughput(samples: Sequence[Sample]) -> dict[str, float | None]:
    """Return requests and output tokens a second while requests were in flight."""
    return {
        "requests_per_s": requests_per_s(samples),
        "output_tokens_per_s": tokens_per_s(samples),
    }
