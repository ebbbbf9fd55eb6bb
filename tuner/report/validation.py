"""Show a validation: the plan first, then the verdict with what it rests on, and as JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.evaluate.duel import FLOOR
from tuner.evaluate.validation import (
    EACH,
    ERROR,
    NOISY,
    Outcome,
    Planned,
    Side,
    Validation,
)
from tuner.report.cells import COUNTS_FROM, interval, percent
from tuner.report.documents import bound_document, measurement_document
from tuner.spec.study import Study
from tuner.stats.quantiles import Bound

STYLES: Mapping[Outcome, str] = {
    "better": "bold green",
    "not worse": "bold green",
    "worse": "bold red",
    "undecided": "bold yellow",
}

_DRIFT = (
    "Agreement is a measure of drift without labels: it says how much answers changed, and not "
    "whether they are right. It decides nothing."
)


def plan_lines(plan: Planned, study: Study, margin: float, max_drop: float) -> list[str]:
    """Return what a validation takes, in sentences, before it begins."""
    least = plan.pairs * 2 * plan.block
    found = [
        f"plan: pairs of blocks of {plan.block} requests, the same fresh prompts for A and B in "
        f"random order; {plan.pairs} pairs ({least} requests) or more where all say the same, "
        f"about {_number(plan.pairs_noisy)} where {NOISY:.0%} do; about {plan.fitting} fit into "
        f"{study.budget_s:.0f} s",
        f"B may be slower by {margin:.1%} ({_floor(margin)}), and its share of "
        f"{_right(study)} answers lower by {max_drop * 100:g} points",
    ]
    if plan.answers > plan.templates:
        found.append(
            f"answers can be shown to be worse, and not that they are not: that takes "
            f"{_number(plan.answers)} templates, and there are {plan.templates}; add some, or "
            "allow more with --max-drop"
        )
    if not study.slos:
        found.append("rare slow requests are not judged: the study has no target (--target-p99 MS)")
    return found


def _floor(margin: float) -> str:
    return "the noise floor" if margin == FLOOR else f"the noise floor is {FLOOR:.1%}"


def _right(study: Study) -> str:
    return "right" if study.workload.judged else "valid"


def _number(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "more than any number of"


def verdict_line(found: Validation) -> str:
    """Return the verdict in one sentence."""
    said = {
        "better": "B is better than A",
        "not worse": "B is not worse than A",
        "worse": "B is worse than A",
        "undecided": "Undecided whether B is worse than A",
    }[found.outcome]
    if not found.latency.pairs and not found.stopped:
        return f"{said}: no pair of blocks came to its end in time; a longer --budget allows more."
    return f"{said}: {found.stopped or '; '.join(_reasons(found))}."


def _reasons(found: Validation) -> list[str]:
    """Return what decided, or what is open."""
    parts = {
        f"{found.latency.metric} {_change(found.latency.ratio)}": found.latency.outcome,
        f"targets: A {found.targets.a}, B {found.targets.b}": found.targets.outcome,
        f"{_answers(found)} {_points(found.answers.difference)}": found.answers.outcome,
    }
    wanted = (found.outcome,) if found.outcome != "not worse" else ("not worse", "better")
    return [said for said, outcome in parts.items() if outcome in wanted]


def _answers(found: Validation) -> str:
    return f"{'right' if found.answers.judged else 'valid'} answers"


def _points(difference: Bound) -> str:
    """Return a difference of shares in points with its interval."""
    if difference.value is None:
        return "unknown"
    return f"{interval(difference, 100, 1)} points"


def _share(share: Bound) -> str:
    return "-" if share.value is None else percent(share)


def _change(ratio: Bound) -> str:
    """Return a ratio as a change in percent with its interval."""

    def cell(value: float | None) -> str:
        return "?" if value is None else f"{(value - 1) * 100:+.1f}"

    return f"{cell(ratio.value)} % [{cell(ratio.low)}, {cell(ratio.high)}]"


def show_validation(found: Validation, study: Study, labels: Mapping[Side, str]) -> Group:
    """Return a validation as a sentence, a table, and what it means."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("A", "B"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("B beside A", no_wrap=True)
    table.add_column("shown")
    for row in _rows(found):
        table.add_row(*row)
    names = Text(f"A: {labels['a']}\nB: {labels['b']}")
    line = Text(verdict_line(found), style=STYLES[found.outcome])
    return Group(line, names, table, *(Text(words) for words in _words(found, study)))


def _rows(found: Validation) -> list[tuple[str, ...]]:
    a, b, metric = found.measured["a"], found.measured["b"], found.latency.metric
    p50s = [interval(m.quantiles[metric][0.5], 1000, 0) if m.n else "-" for m in (a, b)]
    rows = [
        (f"{metric} p50 ms", *p50s, _change(found.latency.ratio), found.latency.outcome),
        (
            f"{_answers(found)} %", _share(a.guard.correct), _share(b.guard.correct),
            _points(found.answers.difference), found.answers.outcome,
        ),
    ]  # fmt: skip
    for slo in a.certificates:
        sides = [f"{m.certificates[slo].late} of {m.certificates[slo].n} late, "
                 f"{m.certificates[slo].verdict}" for m in (a, b)]  # fmt: skip
        rows.append((str(slo), *sides, "", found.targets.outcome or ""))
    starts = [f"{m.n} ({m.starts})" for m in (a, b)]
    rows.append(("requests (starts)", *starts, f"{found.latency.pairs} pairs", ""))
    return rows


def _words(found: Validation, study: Study) -> Sequence[str]:
    """Return the sentences below the table."""
    latency, counts_from = found.latency, study.workload.load.counts_from
    lines = []
    if found.agreement is not None:
        said = found.agreement
        how = "greedy answers" if said.greedy else "answers (whether greedy is unknown)"
        lines.append(
            f"Agreement of B with A on {how}: {percent(said.share)} % of {said.n} prompts; of A "
            f"with itself, asked again: {percent(said.itself)} %. {_DRIFT}"
        )
    if latency.invalid:
        lines.append(f"Latencies decide nothing: {latency.invalid}.")
    if not found.answers.judged:
        lines.append("No prompt says what is right: answers are only checked for being valid.")
    if not study.slos:
        lines.append("Rare slow requests are not judged: there is no target (--target-p99 MS).")
    lines += [f"Note: {note}." for note in found.notes]
    lines.append(
        f"Load: {study.workload.load}; {COUNTS_FROM[counts_from]}. The change is that of the same "
        f"prompts in a typical pair of blocks; better is more than {FLOOR:.0%} faster (the noise "
        f"floor), not worse at most {latency.margin:.1%} slower and {found.answers.margin * 100:g} "
        f"points fewer {_answers(found)}. Each end of an interval and each verdict on a target "
        f"errs in at most {EACH:.1%}, whenever one looks, the verdict in at most {ERROR:.0%}."
    )
    return lines


def validation_document(
    found: Validation,
    study: Study,
    labels: Mapping[Side, str],
    environments: Mapping[Side, Mapping[str, Any]],
    plan: Planned,
) -> dict[str, Any]:
    """Return a validation as JSON, `tuner.validation/1`; seconds throughout."""
    latency, answers, agreement = found.latency, found.answers, found.agreement
    planned = {k: v if math.isfinite(v) else None for k, v in asdict(plan).items()}
    sides = {
        str(side): {
            "named": labels[side],
            "measurement": measurement_document(found.measured[side], study, environments[side]),
        }
        for side in found.measured
    }
    return {
        "schema": "tuner.validation/1",
        "tuner_version": __version__,
        "study": study.name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "verdict": found.outcome,
        "why": verdict_line(found),
        "error": ERROR,
        "latency": {
            "metric": latency.metric,
            "ratio_b_to_a": bound_document(latency.ratio),
            "pairs": latency.pairs,
            "margin": latency.margin,
            "noise_floor": FLOOR,
            "invalid": latency.invalid,
            "shown": latency.outcome,
        },
        "targets": {"a": found.targets.a, "b": found.targets.b, "shown": found.targets.outcome},
        "answers": {
            "by": "right" if answers.judged else "valid",
            "difference_b_minus_a": bound_document(answers.difference),
            "pairs": answers.pairs,
            "templates": answers.templates,
            "margin": answers.margin,
            "shown": answers.outcome,
        },
        "agreement": None if agreement is None else {
            "measures": "drift without labels, not quality",
            "share": bound_document(agreement.share),
            "a_with_itself": bound_document(agreement.itself),
            "prompts": agreement.n,
            "greedy": agreement.greedy,
        },
        "planned": planned,
        "stopped": found.stopped,
        "notes": list(found.notes),
        **sides,
    }  # fmt: skip
