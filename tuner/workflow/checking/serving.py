"""What serves at a URL, and what clients send there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.engines.base import Engine
from tuner.engines.registry import kind_of
from tuner.spec.address import url
from tuner.spec.errors import InputError
from tuner.spec.requests.conversation import client_part
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs, baseline, complete, fit_to_engine
from tuner.workflow.service.proposal import read_result


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is only asked, and the candidate whose client's part is `sent` to it.

    With `sends` requests carry the candidate's settings; else the model there has its own.
    """

    study: Study
    engine: Engine
    sent: Candidate
    sends: bool = True


def serving(study: Study, result: Path | None = None) -> Serving:
    """Return what serves at the study's url, asked as its baseline's clients or a result's do.

    Raises InputError where the study has no url or nothing to check, for a result of another
    workload or without a candidate, and for a kind of engine that cannot be asked so.
    """
    if study.url is None:
        raise InputError("say where it serves: --url http://HOST:PORT, or engine.url in the study")
    if not study.slos and (study.guard.min_valid, study.guard.min_correct) == (None, None):
        raise InputError(
            "there is nothing to check: say --target-p99 MS, or slo, guard.min_valid or "
            "guard.min_correct in the study"
        )
    return asked_at(study, result)


def asked_at(study: Study, result: Path | None = None) -> Serving:
    """Return what serves at the study's url, as `serving` does, whatever is to be found out."""
    there = kind_of(study).in_service(study)
    study, _ = fit_to_engine(study, there.engine)
    candidate = baseline(study, there.engine)
    if result is not None:
        candidate = complete(_best(result, study), all_knobs(there.engine))
    sent = client_part(candidate, there.holds_prompt)
    return Serving(study, there.engine, sent, sends=not there.holds_prompt)


def served_at(study: Study, told: str, where: str = "--url") -> Study:
    """Return a study of what serves at a URL; which certificates it trusts stays as it is.

    Raises InputError, which begins with `where`, for what is no URL.
    """
    try:
        found = url(told)
    except ValueError as wrong:
        raise InputError(f"{where}: {wrong}") from None
    if study.url is not None and found.address.secure:
        own = study.url.address
        address = replace(found.address, ca_file=own.ca_file, verify=own.verify)
        found = replace(found, address=address)
    return replace(study, url=found)


def _best(result: Path, study: Study) -> Mapping[str, Any]:
    """Return the best candidate of a result."""
    folder, found = read_result(result)
    if found.get("workload_hash") != study.workload.hash:
        raise InputError(
            f"{folder / 'result.json'}: the study at hand has other prompts than the result; name "
            "the result's own study"
        )
    candidate = (found.get("best") or {}).get("candidate")
    if not isinstance(candidate, dict):
        raise InputError(f"{folder / 'result.json'}: this run has no candidate that could serve")
    return candidate
