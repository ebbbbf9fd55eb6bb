"""Measure what went into service where it serves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.engines.deployment import Deployment
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement
from tuner.spec.errors import EngineDied
from tuner.spec.requests.conversation import client_part
from tuner.spec.requests.workload import Supply
from tuner.spec.study import Study
from tuner.spec.values import Slo
from tuner.store.run_folder import claimed
from tuner.store.trial_folder import Place
from tuner.workflow.measuring.measure import evaluated
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec
from tuner.workflow.service.proposal import Proposal


def why_not(proposal: Proposal, study: Study | None, deployment: Deployment) -> str | None:
    """Return why nothing can be measured in place, None where it can."""
    if study is None:
        return "no requests are asked for"
    ran = (proposal.result.get("environment") or {}).get("engine", study.engine)
    if not deployment.holds_prompt and study.engine != ran:
        return (
            f"the study at hand is of engine {study.engine}, the result of {ran}; --study FILE "
            "names its own"
        )
    if study.workload.hash != proposal.result.get("workload_hash"):
        return "the study at hand has other prompts than the result; --study FILE names its own"
    return None


async def measure(
    proposal: Proposal, study: Study, deployment: Deployment, out: Path, requests: int
) -> Measurement:
    """Return a measurement of what serves now, with requests as clients send them.

    They carry only what does not serve by itself. The targets are those of the result.
    Raises EngineDied where no request is answered.
    """
    study = replace(study, slos=_targets(proposal.result))
    candidate = proposal.release.candidate
    sent = client_part(candidate, deployment.holds_prompt)
    prompts = Supply(study.workload, held_out=study.workload.held_out, seed=study.seed)
    with claimed(out):
        session = Session(study, deployment.engine(study), out, math.inf)
        try:
            asked = prompts.prompts(study.seed)
            spec = TrialSpec("0000", Place("measure"), asked, requests)
            measured = await session.measure(sent, spec)
        finally:
            await session.aclose()
    _ensure_served(measured)
    return evaluated(study, sent, measured, Terms())


def _ensure_served(measured: Measured) -> None:
    """Raise EngineDied where no request was answered, even if the client was too slow."""
    failed, samples = measured.failed, measured.counted
    if not failed and not any(s.outcome == "ok" for s in samples):
        why = samples[0].error or samples[0].outcome if samples else "none was sent"
        failed = f"none of {len(samples)} requests was answered; the first failed so: {why}"
    if failed:
        raise EngineDied(f"in place: {failed}")


def _targets(result: Mapping[str, Any]) -> tuple[Slo, ...]:
    return tuple(Slo(t["metric"], t["quantile"], t["max_ms"] / 1000) for t in result["target"])
