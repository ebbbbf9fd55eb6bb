"""Measure what went into service where it serves, and take it back where it fails there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.engines.ollama_attached import OllamaAttached
from tuner.report.measurement import Measurement, Terms
from tuner.spec.conversation import client_part
from tuner.spec.errors import EngineDied, EngineError, EngineMissing
from tuner.spec.study import Study
from tuner.spec.values import Model, Slo
from tuner.spec.workload import Supply
from tuner.workflow.apply import Applied, Models, Proposal, take_back
from tuner.workflow.folder import claimed
from tuner.workflow.measure import judged
from tuner.workflow.session import Session
from tuner.workflow.trial_folder import Place


def why_not(proposal: Proposal, study: Study | None) -> str | None:
    """Return why nothing can be measured in place, None where it can."""
    if study is None:
        return "no requests are asked for"
    if study.workload.hash != proposal.result.get("workload_hash"):
        return "the study at hand has other prompts than the result; --study FILE names its own"
    return None


def settle(
    applied: Applied, models: Models, measuring: Callable[[], Measurement]
) -> tuple[Measurement, str | None]:
    """Measure once, and take back what failed; return both, the second None where it stays.

    What does not serve at all is taken back as well, and EngineDied raised. EngineMissing is
    raised where the server is gone, which leaves nobody to take it back.
    """
    try:
        measured = measuring()
    except EngineMissing:
        raise
    except EngineError as error:
        raise EngineDied(f"in place: {error}; {take_back(applied, models)}") from error
    failed = measured.verdict == "FAIL"
    return measured, take_back(applied, models) if failed else None


async def measure(
    proposal: Proposal, study: Study, address: str, out: Path, requests: int
) -> Measurement:
    """Return a measurement of what now serves, sent as clients send: without what the model has.

    The targets are those of the result. Raises EngineDied where nothing came of it.
    """
    study = replace(study, slos=_targets(proposal.result))
    engine = OllamaAttached(address, Model(proposal.name, proposal.name), as_it_is=True)
    sent = client_part(proposal.result["best"]["candidate"])
    prompts = Supply(study.workload, held_out=study.workload.held_out, seed=study.seed)
    with claimed(out):
        session = Session(study, engine, out, study.budget_s)
        try:
            measured = await session.measure(
                sent, prompts.prompts(study.seed), "0000", Place("measure"), n=requests
            )
        finally:
            await session.aclose()
    return judged(study, sent, measured, Terms())


def _targets(result: Mapping[str, Any]) -> tuple[Slo, ...]:
    return tuple(Slo(t["metric"], t["quantile"], t["max_ms"] / 1000) for t in result["target"])
