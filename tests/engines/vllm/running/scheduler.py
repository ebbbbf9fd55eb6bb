"""A small vLLM in virtual time: admits, chunks, preempts and counts as its scheduler does.

Steps follow vllm/v1/core/sched/scheduler.py with chunked prefill: running requests first, then
waiting ones, in the order of arrival. A step takes a fixed time and a time for each token, so what
a limit costs is known: let it go, and run the same requests again.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.engines.vllm.running.metrics import Gauges
from tuner.engines.vllm.running.proposals import Limits
from tuner.engines.vllm.running.reason import Seen

EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
STEP_EDGES = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
BLOCK = 16


@dataclass(frozen=True)
class Setup:
    """A server and its load; `clients` send in a closed loop, else one comes each `gap_s`."""

    cap: int = 64
    blocks: int = 10_000
    budget: int = 2048
    step_s: float = 0.02
    token_s: float = 0.0001
    prompts: tuple[int, ...] = (100,)
    answers: tuple[int, ...] = (16,)
    count: int = 60
    clients: int | None = 4
    gap_s: float = 0.0

    def without(self, limit: str) -> Setup:
        """Return the server without one of its limits."""
        return replace(self, **{limit: 10**9})


@dataclass
class Job:
    prompt: int
    answer: int
    arrived_s: float
    computed: int = 0
    given: int = 0
    queued_s: float = 0.0
    scheduled_s: float | None = None
    first_s: float = 0.0

    @property
    def blocks(self) -> int:
        return math.ceil(self.computed / BLOCK)

    @property
    def wanted(self) -> int:
        return self.prompt + self.given - self.computed


@dataclass
class Run:
    """What came of it: what the page would tell, and what only the simulation knows."""

    setup: Setup
    now_s: float = 0.0
    waiting: deque[Job] = field(default_factory=deque)
    running: list[Job] = field(default_factory=list)
    to_come: deque[Job] = field(default_factory=deque)
    totals: Counter[str] = field(default_factory=Counter)
    gauges: list[tuple[float, Gauges]] = field(default_factory=list)
    waited_s: float = 0.0
    latency_s: float = 0.0

    def seen(self, readings: int = 60) -> Seen:
        """Return what a watcher of the page sees who reads the gauges at equal distances."""
        totals = {str(k): float(v) for k, v in self.totals.items()}
        for beginning, edges in (("steps_up_to_", STEP_EDGES), ("prompts_up_to_", EDGES)):
            below = [sum(v for k, v in totals.items() if _within(k, beginning, e)) for e in edges]
            totals |= {f"{beginning}{float(e)}": c for e, c in zip(edges, below, strict=True)}
            totals[f"{beginning}+Inf"] = totals["steps" if beginning[0] == "s" else "requests"]
        kept = {k: v for k, v in totals.items() if not k.startswith("@")}
        at = [s for s, _ in self.gauges]
        times = np.linspace(0, self.now_s, readings + 2)[1:-1]
        read = [self.gauges[max(bisect.bisect_right(at, t) - 1, 0)][1] for t in times]
        cache = {"kv_cache_size_tokens": self.setup.blocks * BLOCK, "block_size": BLOCK}
        limits = Limits(self.setup.cap, self.setup.budget)
        return Seen(self.now_s, kept, read, limits, cache)

    @property
    def free(self) -> int:
        return self.setup.blocks - sum(job.blocks for job in self.running)

    def step(self) -> None:
        """Schedule, compute, give tokens, let go of what is done."""
        self.arrive()
        before, left, plan = self.now_s, self.setup.budget, list[tuple[Job, int]]()
        left = self._go_on(left, plan)
        left = self._admit(left, plan)
        used = sum(n for _, n in plan)
        self.now_s += self.setup.step_s + self.setup.token_s * used if plan else 0.001
        self.waited_s += len(self.waiting) * (self.now_s - before)
        self._give(plan)

    def arrive(self) -> None:
        while self.to_come and self.to_come[0].arrived_s <= self.now_s:
            job = self.to_come.popleft()
            job.queued_s = self.now_s
            self.waiting.append(job)

    def _go_on(self, left: int, plan: list[tuple[Job, int]]) -> int:
        at = 0
        while at < len(self.running) and left > 0:
            job = self.running[at]
            n = min(job.wanted, left)
            while _more(job, n) > self.free - _planned(plan):
                victim = self.running.pop()
                plan[:] = [(j, m) for j, m in plan if j is not victim]
                victim.computed = 0
                self.waiting.appendleft(victim)
                self.totals["preemptions"] += 1
                self._preempted = True
                if victim is job:
                    return left
            plan.append((job, n))
            left -= n
            at += 1
        return left

    def _admit(self, left: int, plan: list[tuple[Job, int]]) -> int:
        if getattr(self, "_preempted", False):
            self._preempted = False
            return left
        while left > 0 and self.waiting and len(self.running) < self.setup.cap:
            job = self.waiting[0]
            held = sum(_rest(j) for j in self.running if j.wanted > 1)
            held += _planned([(j, n) for j, n in plan if j.wanted == 1])
            if _rest(job) > self.free - held and self.running:
                break
            n = min(job.wanted, left)
            self.waiting.popleft()
            self.running.append(job)
            plan.append((job, n))
            left -= n
            if job.scheduled_s is None:
                job.scheduled_s = self.now_s
        return left

    def _give(self, plan: list[tuple[Job, int]]) -> None:
        tokens, gave = 0, False
        for job, n in plan:
            job.computed += n
            if job.wanted > 0:
                continue
            gave = True
            tokens += 1 + (job.prompt if job.given == 0 else 0)
            job.first_s = job.first_s or self.now_s
            job.given += 1
        if gave:
            self.totals["steps"] += 1
            self.totals["step_tokens"] += tokens
            self.totals[f"@steps_up_to_{tokens}"] += 1
        for job in [j for j in self.running if j.given >= j.answer]:
            self._finish(job)
        used = 1 - self.free / self.setup.blocks
        gauges = Gauges(len(self.running), len(self.waiting), 0.0, used)
        self.gauges.append((self.now_s, gauges))

    def _finish(self, job: Job) -> None:
        self.running.remove(job)
        assert job.scheduled_s is not None
        self.latency_s += self.now_s - job.arrived_s
        self.totals += Counter(requests=1)
        for name, amount in {
            "queue_s": job.scheduled_s - job.queued_s,
            "prefill_s": job.first_s - job.scheduled_s,
            "decode_s": self.now_s - job.first_s,
            "prompt_tokens": job.prompt,
            "computed_prompt_tokens": job.prompt,
            "generation_tokens": job.answer,
            "preemptions": 0,
            f"@prompts_up_to_{job.prompt}": 1,
        }.items():
            self.totals[name] += amount
        if self.setup.clients is not None and self.to_come:
            following = self.to_come.popleft()
            following.arrived_s = self.now_s
            self.to_come.appendleft(following)
            self._arrive_now()

    def _arrive_now(self) -> None:
        job = self.to_come.popleft()
        job.queued_s = self.now_s
        self.waiting.append(job)


def _within(name: str, beginning: str, edge: float) -> bool:
    return name.startswith(f"@{beginning}") and float(name.removeprefix(f"@{beginning}")) <= edge


def _more(job: Job, n: int) -> int:
    return math.ceil((job.computed + n) / BLOCK) - job.blocks


def _rest(job: Job) -> int:
    return math.ceil((job.prompt + job.given) / BLOCK) - job.blocks


def _planned(plan: Sequence[tuple[Job, int]]) -> int:
    return sum(_more(job, n) for job, n in plan)


def run(setup: Setup) -> Run:
    """Serve all requests."""

    def one_of(values: tuple[int, ...], i: int) -> int:
        return values[i % len(values)]

    jobs = [
        Job(one_of(setup.prompts, i), one_of(setup.answers, i), i * setup.gap_s)
        for i in range(setup.count)
    ]
    found = Run(setup)
    if setup.clients is not None:
        first, later = jobs[: setup.clients], jobs[setup.clients :]
        found.to_come.extend(first)
        for job in first:
            job.arrived_s = 0.0
        found.arrive()
        found.to_come.extend(later)
        for job in later:
            job.arrived_s = math.inf
    else:
        found.to_come.extend(jobs)
    while found.totals["requests"] < setup.count:
        found.step()
    return found
