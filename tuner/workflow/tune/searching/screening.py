"""Search: screen candidates one after the other with the search's part of the workload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tuner.engines.base import Resolves
from tuner.evaluate import failures
from tuner.search.budget import Plan
from tuner.search.equivalent import equivalent
from tuner.search.trial import Origin, Trial, baseline_correct, hopeless, outraced
from tuner.spec.errors import EngineDied
from tuner.spec.requests.conversation import PROMPT_KNOBS
from tuner.spec.requests.workload import Supply
from tuner.spec.values import Candidate, Metric, Sample, Setting
from tuner.store.trial_folder import Place
from tuner.workflow.measuring.candidates import all_knobs, complete
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import StopRule, TrialSpec
from tuner.workflow.tune.searching.baseline_drift import BaselineRechecks
from tuner.workflow.tune.searching.queue import Queue, served_alike
from tuner.workflow.tune.searching.trials import screened, unmeasured

CONTROLS = ("baseline", "default")
"""Origins of the trials that every study has; they are not cut for being beaten."""

CAP = 3.0
"""A trial is cut when it takes this many times its expected time."""


class Watcher(Protocol):
    """Is told how a run goes. `tuner.report.progress` shows it; a test may record it."""

    def phase(self, text: str) -> None:
        """Hear that a phase begins."""

    def trial(self, trial: Trial, planned: int, left_s: float) -> None:
        """Hear of a finished trial, of how many are planned, and of the time left."""

    def note(self, text: str) -> None:
        """Hear a line that is worth showing."""


def engine_default(session: Session, base: Candidate) -> dict[str, Setting]:
    """Return the second control: the engine's and model's defaults with the baseline's prompt."""
    prompt = {name: base[name] for name in PROMPT_KNOBS}
    return complete(prompt, all_knobs(session.engine))


@dataclass(slots=True)
class Screening:
    """Screens candidates with the first prompts of the search's part of the workload.

    `queue` has those that an earlier screening did not come to. `inert` are the knobs that make no
    difference, and how that shows.
    """

    session: Session
    queue: Queue
    plan: Plan
    watcher: Watcher
    trials: list[Trial]
    rechecks: BaselineRechecks | None = None
    inert: dict[str, str] = field(default_factory=dict)

    async def search(self, enough: Callable[[Trial], bool] = lambda trial: False) -> None:
        """Measure what the proposer asks for.

        Ends when the time planned for searching is used up, when a trial is `enough`, or
        when the space has nothing new. Raises EngineDied when nothing could be measured.
        """
        while not self._over() and not any(map(enough, self.trials)):
            proposal = await self.queue.next(self.trials)
            if proposal is None:
                self.watcher.note("the space has no candidate left that was not tried")
                break
            await self.screen(*proposal)
            if isinstance(self.session.engine, Resolves):
                self._drop_equivalent()
            if self.queue.empty or self._over() or enough(self.trials[-1]):
                self._ensure_measurable()
                if self.rechecks:
                    await self.rechecks.when_due()

    def _drop_equivalent(self) -> None:
        """Search no more on a flag of the server that makes no difference, where starts are dear.

        Only the server's: what requests carry changes answers, and costs no start.
        """
        study, knobs = self.session.study, self.session.engine.knobs
        dear = [n for n in study.space if n in knobs and knobs[n].tier == "restart"]
        metric: Metric = study.slos[0].metric if study.slos else "e2e"
        left = [name for name in dear if name not in self.inert]
        for name, why in equivalent(study.space, self.trials, metric, left).items():
            self.inert[name] = why
            self.queue.strategy.drop(name)
            self.watcher.note(f"{name} is searched no more: {why}")

    def _ensure_measurable(self) -> None:
        """Raise EngineDied where controls and a whole batch brought no sample."""
        if not any(t.samples for t in self.trials):
            raise EngineDied(
                f"no candidate could be measured; the first failed so: {self.trials[0].reason}"
            )

    def _over(self) -> bool:
        return self.session.elapsed_s() >= self.plan.search_s

    async def controls(self, base: Candidate) -> None:
        """Measure the baseline and the defaults, unless an earlier part of the run did.

        Where starts are dear the defaults wait for their turn as any other candidate does.
        """
        there = {t.origin for t in self.trials if not failures.refused(t.samples)}
        default = engine_default(self.session, base)
        if "baseline" not in there:
            await self.screen(*self.queue.strategy.fixed(base, "baseline"))
            self._ensure_served(self.trials[-1])
        if "default" not in there and default != dict(base):
            control = self.queue.strategy.fixed(default, "default")
            if not await self.queue.takes(control):
                await self.screen(*control)

    def _ensure_served(self, control: Trial) -> None:
        """Raise EngineDied where all requests of the baseline failed: others would fail alike."""
        if control.reason and failures.refused(control.samples):
            raise EngineDied(failures.with_next_step(control.reason, self.session.study))

    async def first(self, candidates: Sequence[Candidate]) -> None:
        """Measure candidates of earlier rounds, unless an earlier part of the run did."""
        there = [t.candidate for t in self.trials]
        for candidate in (c for c in candidates if c not in there and not self._over()):
            await self.screen(*self.queue.strategy.fixed(candidate, "neighbour"))

    async def screen(self, number: int, candidate: Candidate, origin: Origin) -> None:
        """Measure one candidate and tell the proposer."""
        twin = await self._twin(candidate)
        if twin is not None:
            self._count_as(twin, unmeasured(number, candidate, origin, twin.planned))
            return
        study, n = self.session.study, self.plan.pace.look
        prompts = Supply(study.workload, held_out=False, seed=study.seed).prompts(number)
        place = Place("search", number, origin, planned=n)
        spec = TrialSpec(
            f"{number:04d}", place, prompts, n, self._stop(origin, n),
            stop_reads_answers=origin != "baseline",
        )  # fmt: skip
        measured = await self.session.measure(candidate, spec)
        trial = unmeasured(number, candidate, origin, n)
        trial = screened(study, trial, measured, baseline_correct(self.trials))
        self.queue.strategy.tell(trial)
        self.trials.append(trial)
        self.watcher.trial(trial, self.plan.trials, self.session.left_s())

    async def _twin(self, candidate: Candidate) -> Trial | None:
        """Return the trial that measured what a candidate amounts to, None without one."""
        same = await served_alike(self.session, candidate)
        if same is None:
            return None
        for trial in self.trials:
            counted = trial.same_as is None and trial.of is None
            if counted and same == await served_alike(self.session, trial.candidate):
                return trial
        return None

    def _count_as(self, twin: Trial, trial: Trial) -> None:
        """Record a candidate that needs no measuring, and teach the search what is known of it."""
        known = replace(
            trial, reason=f"amounts to trial {twin.number}", same_as=twin.number,
            violations=twin.violations, value=twin.value, memory_bytes=twin.memory_bytes,
        )  # fmt: skip
        self.queue.strategy.tell(replace(known, state=twin.state))
        self.trials.append(known)
        self.watcher.trial(known, self.plan.trials, self.session.left_s())

    def _stop(self, origin: Origin, planned: int) -> StopRule:
        """Return the stop rule of a trial.

        The baseline is only stopped when the time for searching ends: all other trials are
        compared with its answers, so that its first few will not do.
        """
        if origin == "baseline":
            return lambda sample: self._over()
        return self._stop_when_hopeless(planned, racing=origin not in CONTROLS)

    def _stop_when_hopeless(self, planned: int, *, racing: bool) -> StopRule:
        """Return a stop rule that ends a trial that is beyond rescue, beaten, or far too slow."""
        study = self.session.study
        incumbent = min((t for t in self.trials if t.feasible), key=Trial.rank, default=None)
        most_s = CAP * self.plan.pace.trial_s
        seen: list[Sample] = []

        def stop(sample: Sample) -> bool:
            seen.append(sample)
            slow = (sample.sent_ns - seen[0].sent_ns) / 1e9 > most_s
            if slow or hopeless(study, seen, planned):
                return True
            return racing and outraced(study, seen, planned, incumbent)

        return stop
