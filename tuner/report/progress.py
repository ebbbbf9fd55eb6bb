"""Show how a run goes: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from tuner.evaluate.estimates import shares
from tuner.search.trial import Trial
from tuner.spec.values import Slo
from tuner.stats.quantiles import quantile

_E2E_P99 = Slo("e2e", 0.99, 1.0)


class Lines:
    """Writes a line for each finished trial and each note.

    `judged` says whether answers can be wrong; `target` is the bound whose quantile is shown.
    """

    def __init__(
        self,
        console: Console,
        quiet: bool = False,
        judged: bool = True,
        target: Slo = _E2E_P99,
    ) -> None:
        self._console, self._quiet = console, quiet
        self._judged, self._target = judged, target

    def phase(self, text: str) -> None:
        """Say that a phase begins."""
        self._print(f"-- {text}")

    def trial(self, trial: Trial, planned: int, left_s: float) -> None:
        """Say how a trial went."""
        said = describe(trial, self._judged, self._target)
        self._print(f"{said}  (about {planned} planned, {left_s / 60:.1f} min left)")

    def note(self, text: str) -> None:
        """Say something worth showing."""
        self._print(f"   {text}")

    def close(self) -> None:
        """Do nothing: lines need no end."""

    def _print(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, markup=False)


class Bar(Lines):
    """Shows the phase, a bar over the budget and the minutes left, below the lines."""

    def __init__(
        self, console: Console, budget_s: float, judged: bool = True, target: Slo = _E2E_P99
    ) -> None:
        super().__init__(console, judged=judged, target=target)
        # refreshed rarely: drawing takes time from the engine that is being measured
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), _Left(),
            console=console, transient=True, refresh_per_second=1,
        )  # fmt: skip
        self._task = self._progress.add_task("starting", total=budget_s)
        self._progress.start()

    def phase(self, text: str) -> None:
        """Name the phase beside the bar."""
        super().phase(text)
        self._progress.update(self._task, description=text)

    def _print(self, text: str) -> None:
        elapsed = self._progress.tasks[0].elapsed or 0.0
        self._progress.update(self._task, completed=elapsed)
        super()._print(text)

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


class _Left(ProgressColumn):
    """The minutes that are left of the budget."""

    def render(self, task: Task) -> Text:
        left_s = max(0.0, (task.total or 0.0) - (task.elapsed or 0.0))
        return Text(f"{left_s / 60:.1f} min left")


def describe(trial: Trial, judged: bool = True, target: Slo = _E2E_P99) -> str:
    """Return a trial as one line: screening estimates, marked as such.

    The quantile of `target` is shown, and the share of right answers where they are `judged`.
    """
    head = f"trial {trial.number:3d} {trial.origin:9s}"
    if trial.state == "pruned":
        return f"{head} pruned: {(trial.reason or '')[:100]}"
    name = f"{target.metric} p{target.quantile * 100:g}"
    valid, correct = shares(trial.samples)
    answers = f"valid {valid:4.0%}" + (f", correct {correct:4.0%}" if judged else "")
    fits = "meets all estimates" if trial.feasible else f"misses by {trial.total_violation:.2f}"
    return f"{head} {name} {_estimate(trial, target)}, {answers}  {fits}"


def _estimate(trial: Trial, target: Slo) -> str:
    """Return a quantile as its samples estimate it, in milliseconds; an unknown time has none."""
    seconds = [s.latency_s(target.metric) for s in trial.samples]
    if any(map(math.isnan, seconds)):
        return "unknown"
    digits = 1 if target.metric == "tpot" else 0
    return f"~{quantile(seconds, target.quantile) * 1000:5.{digits}f} ms"
