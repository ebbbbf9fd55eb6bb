"""What `tune study check` says of a study: for people, and as `tuner.study-check/1`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tuner import __version__
from tuner.evaluate.scope import starts_text
from tuner.report.documents import plan_document
from tuner.report.plan import show_plan
from tuner.search.budget import Plan, Price, price
from tuner.spec.space import Range, size
from tuner.spec.study import Study
from tuner.spec.values import Candidate


@dataclass(frozen=True, slots=True)
class StudyCheck:
    """A study that can be used, and what is unwise about it.

    `baseline` is the whole candidate; `distinct` counts the different prompts that the search
    and the proof can send. `plan` is None for a study that can only be measured.
    """

    study: Study
    baseline: Candidate
    distinct: tuple[int, int]
    plan: Plan | None
    warnings: tuple[str, ...] = ()


def check_document(found: StudyCheck) -> dict[str, Any]:
    """Return what was found as JSON."""
    study = found.study
    search, proof = (len(study.workload.part(held_out=h)) for h in (False, True))
    return {
        "schema": "tuner.study-check/1",
        "tuner_version": __version__,
        "file": study.file,
        "ok": True,
        "study": study.name,
        "engine": study.engine,
        "model": study.model,
        "load": str(study.workload.load),
        "templates": {
            "search": search,
            "proof": proof,
            "held_out": study.workload.held_out,
            "distinct_prompts": {"search": found.distinct[0], "proof": found.distinct[1]},
        },
        "answers": {"schema": study.workload.schema is not None, "expect": study.workload.expects},
        "baseline": dict(found.baseline),
        "space": {
            "knobs": list(study.space),
            "candidates": size(study.space) if study.space else 0,
            "continuous": _continuous(study),
        },
        "objective": study.objective,
        "target": [str(s) for s in study.slos],
        "proof": asdict(price(study, found.plan.pace)) if found.plan and study.slos else None,
        "plan": plan_document(found.plan, study) if found.plan else None,
        "warnings": list(found.warnings),
    }


def show_check(found: StudyCheck) -> str:
    """Return what was found in a few lines."""
    study, workload = found.study, found.study.workload
    lines = [f"{study.file}: ok", f"engine: {study.engine}, model {study.model}"]
    lines.append(f"prompts: {_prompts(found)}")
    answers = [*(["a schema"] if workload.schema is not None else []),
               *(["expect on every prompt"] if workload.expects else [])]  # fmt: skip
    lines.append(f"answers are held against: {' and '.join(answers) or 'nothing but being whole'}")
    if study.space:
        lines.append(f"space: {len(study.space)} knobs ({', '.join(study.space)}), {_size(study)}")
    lines.append(f"targets: {', '.join(map(str, study.slos)) or 'none'}")
    lines.append(f"guard: {_guard(study)}")
    if found.plan:
        if study.slos:
            lines += _claims(price(study, found.plan.pace), found)
        lines.append(show_plan(found.plan, study).plain)
    return "\n".join(lines)


def _claims(cost: Price, found: StudyCheck) -> list[str]:
    """Say what a proof costs and holds for, and what a stronger or a weaker claim costs."""
    study, kept = found.study, found.study.workload.proof_templates
    lines = [
        f"proof: {cost.requests:,} requests or more without a late one ({cost.seconds / 60:.1f} "
        f"min), {cost.requests_typical:,} where 0.2 % are late; it speaks of these {kept} "
        f"templates and {starts_text(cost.starts)}"
    ]
    if kept < cost.requests:
        lines.append(
            f"  of templates like them too: {cost.requests:,} held out, so that each is asked once"
        )
    if not study.one_start:
        lines.append("  of more engine starts: claim.starts in the study")
    if cost.in_flight > 1:
        lines.append(
            f"  {cost.in_flight} in flight count as one, as they may stall together; with "
            f"claim.in_flight: apart {cost.requests // cost.in_flight:,} requests are enough, and "
            "the proof holds only where they do not"
        )
    return lines


def _prompts(found: StudyCheck) -> str:
    workload, (search, proof) = found.study.workload, found.distinct
    count = len(workload.templates)
    if not workload.held_out:
        return f"{count} in the file, {search:,} different texts, none held out"
    kept = workload.proof_templates
    return (
        f"{count} in the file: {count - kept} to search with ({search:,} different texts), "
        f"{kept} held out for the proof ({proof:,})"
    )


def _size(study: Study) -> str:
    continuous = _continuous(study)
    if not continuous:
        return f"{size(study.space):,} candidates"
    return f"{size(study.space):.1e} candidates with {', '.join(continuous)} in 1000 steps each"


def _continuous(study: Study) -> list[str]:
    return [n for n, d in study.space.items() if isinstance(d, Range) and d.continuous]


def _guard(study: Study) -> str:
    floors = {"min_valid": study.guard.min_valid, "min_correct": study.guard.min_correct,
              "max_drop": study.guard.max_drop}  # fmt: skip
    given = [f"{name} {floor:g}" for name, floor in floors.items() if floor is not None]
    return ", ".join(given) or "none"
