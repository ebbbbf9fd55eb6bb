"""Say whether the answers stayed as good as they were, and as good as was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuner.evaluate.measurement import Measurement
from tuner.report.cells import interval, percent
from tuner.spec.study import Study
from tuner.spec.values import Verdict

_BESIDE: Mapping[Verdict, str] = {
    "PASS": "as good as the baseline's",
    "FAIL": "worse than the baseline's",
    "UNDECIDED": "not shown to be as good as the baseline's",
}

_ASKED: Mapping[Verdict, str] = {
    "FAIL": "worse than asked",
    "UNDECIDED": "not shown to be as good as asked",
}


def answers_in_words(study: Study, m: Measurement) -> str:
    """Say how good the answers are: beside the baseline's, beside what was asked, in numbers."""
    if not study.guard.asks:
        value = m.guard.valid.value
        whole = "" if value is None else f"; {value:.0%} of them were whole"
        return f"nothing was asked of them (no guard){whole}"
    return "; ".join([*_judged(m), *_shares(study, m), *_beside_baseline(study, m)])


def _judged(m: Measurement) -> Iterator[str]:
    verdicts = dict(m.guard.verdicts)
    beside = verdicts.pop("max_drop", None)
    if beside is not None:
        yield _BESIDE[beside]
    for verdict, words in _ASKED.items():
        if named := [name for name, said in verdicts.items() if said == verdict]:
            yield f"{words} ({', '.join(named)})"
    if verdicts and set(verdicts.values()) == {"PASS"}:
        yield "as good as asked"


def _shares(study: Study, m: Measurement) -> Iterator[str]:
    guard, found = study.guard, m.guard
    yield f"valid {percent(found.valid)} %{_asked(guard.min_valid)}"
    if study.workload.judged:
        yield f"correct {percent(found.correct)} %{_asked(guard.min_correct)}"


def _asked(floor: float | None) -> str:
    return "" if floor is None else f", at least {floor * 100:g} % asked"


def _beside_baseline(study: Study, m: Measurement) -> Iterator[str]:
    """Yield how the share of right answers differs from the baseline's, where it was compared."""
    found, drop = m.guard, study.guard.max_drop
    if not study.workload.judged or not found.pairs:
        return
    asked = "" if drop is None else f", at least {-drop * 100:g} asked"
    yield (
        f"right answers minus the baseline's {interval(found.difference, 100.0, 1)} points on "
        f"{found.pairs} prompts that both answered{asked}"
    )
