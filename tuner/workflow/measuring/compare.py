"""Compare two measurements: refuse unlike ones, and claim only what the samples support."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.evaluate.comparison import Compared, Comparison, Row
from tuner.evaluate.failures import in_words, reasons
from tuner.evaluate.measurement import METRICS
from tuner.guard.verdict import first_answers, is_correct, paired
from tuner.spec.differences import Difference, differences
from tuner.spec.engine_kinds import engine_kinds
from tuner.spec.errors import InputError, NotComparable
from tuner.spec.values import Metric, Sample
from tuner.stats.gains import Estimate, mean_and_median, quantile_log_ratio
from tuner.stats.noise import ALLOWANCE
from tuner.stats.paired import difference_bounds
from tuner.stats.quantiles import Bound
from tuner.store import trial_folder
from tuner.store.run_folder import ROUNDS, RUN_FILE
from tuner.workflow.measuring.environment import ALIKE
from tuner.workflow.measuring.pairs import latencies

QUANTILES = (0.5, 0.99)
CONFIDENCE = 1 - 0.05 / (len(METRICS) * len(QUANTILES) + 1)
"""Of each interval: all latencies and the share of correct answers hold together at 95 %."""

LEAST_STARTS = 2
NOTHING = Bound(None, None, None)
_FILES = ("measurement.json", "result.json")


def compare(a: Path, b: Path, *, force: bool = False) -> Comparison:
    """Compare B against A, each a measurement.json, a result.json (its best), or their folder.

    Intervals need the samples, which lie in `trials/` beside the document. Raises InputError
    for what cannot be read, and NotComparable, naming each difference, for unlike measurements;
    `force` compares those all the same.
    """
    ours, theirs = read(a), read(b)
    unlike = differences(facts(ours.document), facts(theirs.document), ALIKE)
    if unlike and not force:
        raise NotComparable(
            "these measurements are not of like things:\n"
            + "".join(f"  - {difference}\n" for difference in unlike)
            + "measure both alike, or compare them all the same with --force"
        )
    return compared(ours, theirs, unlike)


def compared(a: Compared, b: Compared, unlike: tuple[Difference, ...] = ()) -> Comparison:
    """Compare B against A, both already read."""
    correct, pairs = _correct(a, b)
    return Comparison(
        a=a,
        b=b,
        unlike=unlike,
        changed=_changed(a.document["candidate"], b.document["candidate"]),
        rows=tuple(_row(a, b, metric, q) for metric in METRICS for q in QUANTILES),
        correct=correct,
        pairs=pairs,
        confidence=CONFIDENCE,
        reasons=tuple(_reasons(a, b)),
    )


def facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a measurement's facts together with those of its environment."""
    return {**document, **document.get("environment", {})}


def read(path: Path) -> Compared:
    """Read a measurement and the samples beside it; raise InputError where there is none."""
    file, document, trials = document_at(path)
    return Compared(str(file), document, _samples(trials, document))


def document_at(path: Path) -> tuple[Path, Mapping[str, Any], Path]:
    """Return the file at a path or in a folder, its measurement (or best), and where trials lie.

    Raises InputError where there is none.
    """
    files = [path / name for name in _FILES if (path / name).exists()] if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise InputError(
            f"{path}: expected a measurement.json or result.json, or a folder that holds one"
            f"{_why_nothing(path)}"
        )
    document, trials = _measurement(files[0])
    return files[0], document, trials


def _why_nothing(folder: Path) -> str:
    """Say why a folder of a run holds no document, "" where it does not tell."""
    if (folder / RUN_FILE).exists():
        return f"; this run has not ended: `--out {folder} --resume` goes on with it"
    trials = folder / "trials"
    kept = (trial_folder.read(f) for f in trials.glob("*") if not f.name.startswith("."))
    failed = [k.measured.failed for k in kept if k.measured.failed]
    return f"; nothing was measured there: {failed[0]}" if failed else ""


def _measurement(file: Path) -> tuple[Mapping[str, Any], Path]:
    """Return the measurement in a file, itself or the best of a result, and where its trials are.

    Those of the best of several rounds lie in its round's folder.
    """
    trials = file.parent / "trials"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        schema = document["schema"]
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise InputError(f"{file}: not a document of tune ({broken})") from None
    if schema == "tuner.result/1":
        if (number := document.get("best_round")) is not None:
            trials = file.parent / ROUNDS / str(number) / "trials"
        document = document.get("best")
    elif schema != "tuner.measurement/1":
        raise InputError(
            f"{file}: expected schema tuner.measurement/1 or tuner.result/1, found {schema}"
        )
    if not isinstance(document, dict):
        raise InputError(f"{file}: this run measured no candidate that could be compared")
    measured: Mapping[str, Any] = document
    return measured, trials


def _samples(trials: Path, document: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Return the samples that a measurement was computed from, none where some are missing.

    They are the samples of its candidate that were measured for a verdict, not for the search.
    """
    folders = [f for f in trials.glob("*") if not f.name.startswith(".")]
    kept = trial_folder.in_order(map(trial_folder.read, folders))
    found = tuple(
        sample
        for trial in kept
        if trial.place.phase in ("measure", "confirmation")
        and dict(trial.candidate) == document["candidate"]
        for sample in trial.measured.counted
    )
    return found if len(found) == document["n"] else ()


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {d.fact: (d.a, d.b) for d in differences(a, b, sorted({*a, *b}))}


def _row(a: Compared, b: Compared, metric: Metric, q: float) -> Row:
    found = _estimate(a, b, metric, q)
    claimable = found is not None and _claimable(a, b, metric)
    return Row(
        metric=metric,
        quantile=q,
        a=_bound(a, metric, q),
        b=_bound(b, metric, q),
        ratio=found.ratio if found else _bare_ratio(a, b, metric, q),
        noise_floor=found.floor - math.log1p(-ALLOWANCE) if found and claimable else None,
    )


def _estimate(a: Compared, b: Compared, metric: Metric, q: float) -> Estimate | None:
    """Return the log ratio of a quantile, B to A, over blocks; the median prompt by prompt."""
    scheduled, error = (b.scheduled, a.scheduled), (1 - CONFIDENCE) / 2
    paired = latencies(b.samples, a.samples, metric, scheduled=scheduled, interleaved=False)
    if paired is None:
        return None
    if q == 0.5:
        return mean_and_median(*paired, (error, error))[1]
    return quantile_log_ratio(*paired, q, error)


def _bare_ratio(a: Compared, b: Compared, metric: Metric, q: float) -> Bound:
    """Return the ratio of B's figure to A's, without an interval."""
    top, bottom = (_bound(side, metric, q).value for side in (b, a))
    return (
        Bound(top / bottom, None, None) if top and bottom and a.samples and b.samples else NOTHING
    )


def _claimable(a: Compared, b: Compared, metric: Metric) -> bool:
    """Tell whether a difference in a latency can be claimed at all; `_reasons` says why not."""
    if metric == "tpot" and _by_chunks(a) != _by_chunks(b):
        return False
    there = bool(a.samples and b.samples)
    enough = all(side.document["engine_starts"] >= LEAST_STARTS for side in (a, b))
    valid = all(side.document["client"]["valid"] for side in (a, b))
    return there and enough and valid and a.scheduled == b.scheduled


def _bound(side: Compared, metric: str, q: float) -> Bound:
    return Bound(**side.document[metric]["quantiles"][f"{q:g}"])


def _correct(a: Compared, b: Compared) -> tuple[Bound, int]:
    """Return B's share of correct answers minus A's on the same prompts, and how many those are.

    Prompts are the same where both name and template agree: the name says which seed filled the
    template. Each template counts once.
    """
    first = first_answers(b.samples)
    pairs = [(y, x) for y, x in paired(first, a.samples) if x.cluster == y.cluster]
    if not pairs:
        return NOTHING, 0
    bounds = difference_bounds(
        [is_correct(y) for y, _ in pairs],
        [is_correct(x) for _, x in pairs],
        CONFIDENCE,
    )
    return bounds, len(pairs)


def _reasons(a: Compared, b: Compared) -> Sequence[str]:
    """Return what keeps differences from being claimed, or makes them doubtful."""
    found = []
    for name, side in (("A", a), ("B", b)):
        count = side.document["engine_starts"]
        if not side.samples:
            found.append(f"{name}: its samples are not all in trials/ beside {side.path}, so "
                         "there is no interval")  # fmt: skip
        elif count < LEAST_STARTS:
            found.append(
                f"{name} comes from {count} engine start: what differs between starts cannot be "
                f"seen, so no difference in latency is claimed; {_more_starts(side)}"
            )
        if why := reasons(side.samples):
            found.append(f"{name}: {in_words(why, len(side.samples))}")
        if not side.document["client"]["valid"]:
            found.append(f"{name}: its client could not keep up, so its latencies are not valid")
    if _by_chunks(a) != _by_chunks(b):
        found.append("on one side alone output tokens were counted by chunks: tpot and tokens/s "
                     "mean different things, and no difference in tpot is claimed")  # fmt: skip
    if a.scheduled != b.scheduled:
        found.append("one is an open loop and the other a closed one, which hides the waiting "
                     "behind a slow server: their latencies mean different things")  # fmt: skip
    return found


def _by_chunks(side: Compared) -> bool:
    return bool(side.document.get("output", {}).get("by_chunks"))


def _more_starts(side: Compared) -> str:
    """Say how to get a measurement over several engine starts."""
    kind = engine_kinds().get(str(facts(side.document).get("engine")))
    if kind is not None and kind.one_start:
        return "`tune` cannot start that server again: its figures hold for the one that served"
    return "`tune run` measures several"
