"""The values that every room speaks: knobs, candidates, prompts, samples and SLOs.

Seconds inside, nanoseconds in stamps (one monotonic clock); milliseconds only on screen
and where a name says `ms`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tuner.spec.beside import InForce

Setting: TypeAlias = str | int | float | bool
Candidate: TypeAlias = Mapping[str, Setting]
"""One point of the space: every knob that is relied on, with its value."""


def changes(candidate: Candidate, base: Candidate) -> tuple[str, ...]:
    """Return the knobs in which a candidate differs from the baseline."""
    return tuple(name for name, value in candidate.items() if base.get(name) != value)


Tier = Literal["request", "reload", "restart"]
Outcome = Literal["ok", "error", "timeout", "incomplete"]
Role = Literal["system", "user", "assistant"]
GuardClass = Literal[
    "correct",
    "wrong_fields",
    "schema_violation",
    "unparseable",
    "truncated",
    "empty",
    "refused",
    "error",
]
Verdict = Literal["PASS", "FAIL", "UNDECIDED"]
Metric = Literal["e2e", "ttft", "tpot"]
Arrivals = Literal["poisson", "gamma", "constant", "trace"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request of the workload and what a right answer to it holds.

    `cluster` names the template it came from: answers to one template are not independent.
    `at_s` is when it came in the recording that is replayed, if one is; `output_tokens` how long
    its answer is to be, None for what the model makes of it.
    """

    id: str
    cluster: str
    kind: str
    messages: tuple[Message, ...]
    expect: Mapping[str, Any] | None = None
    at_s: float = 0.0
    output_tokens: int | None = None

    @property
    def text(self) -> str:
        """Return what the user says: all that dynamic shots may look at."""
        return "\n".join(m.content for m in self.messages if m.role == "user")


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as measured: a line of `samples.jsonl`.

    `first_ns` and `last_ns` are the arrivals of the first and the last chunk with output,
    `end_ns` that of the last byte. `server` holds the engine's own timings as given.
    `output_tokens` counts chunks, `by_chunks`, where the server told no number and each can be
    a token; `unknown_fields` names what was taken for output by its look alone.
    `loop_lag_ns` is how long the client's event loop took to come round when the request was
    sent: no arrival is stamped sooner. `block` numbers the uninterrupted runs of requests of one
    `tune`, in time order. `wanted_tokens` is how long the answer was to be, None where that was
    left to the model.
    """

    prompt_id: str
    kind: str
    planned_ns: int
    sent_ns: int
    first_ns: int | None
    last_ns: int | None
    connect_ns: int
    prompt_tokens: int | None
    output_tokens: int | None
    finish: str | None
    outcome: Outcome
    error: str | None
    answer: str
    guard: GuardClass | None = None
    server: Mapping[str, Any] = field(default_factory=dict)
    engine_start: int = 1
    warmup: bool = False
    cluster: str = ""
    loop_lag_ns: int = 0
    end_ns: int | None = None
    by_chunks: bool = False
    unknown_fields: tuple[str, ...] = ()
    block: int = 0
    wanted_tokens: int | None = None

    @property
    def told_tokens(self) -> int | None:
        """Return the output tokens as the server counted them, None where it did not."""
        return None if self.by_chunks else self.output_tokens

    @property
    def shorter(self) -> bool:
        """Tell whether the answer has fewer tokens than were wanted, as far as is known."""
        told, wanted = self.told_tokens, self.wanted_tokens
        return told is not None and wanted is not None and told < wanted

    def latency_s(self, metric: Metric, *, scheduled: bool = False) -> float:
        """Return one latency in seconds; infinite for a request that was not served.

        `scheduled` counts from the planned time (open loop). TPOT is
        (E2E - TTFT) / (output tokens - 1), 0 for answers of at most one token, and NaN where
        nobody knows how many there are.
        """
        if self.outcome != "ok" or self.last_ns is None:
            return math.inf
        start = self.planned_ns if scheduled else self.sent_ns
        first = self.last_ns if self.first_ns is None else self.first_ns
        if metric == "e2e":
            return (self.last_ns - start) / 1e9
        if metric == "ttft":
            return (first - start) / 1e9
        if self.output_tokens is None:
            return math.nan
        if self.output_tokens <= 1:
            return 0.0
        return (self.last_ns - first) / 1e9 / (self.output_tokens - 1)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a proof is asked to hold for.

    `starts` is how many engine starts it rests on at least, None for as many as suit the budget.
    Requests in flight `together` may be late together; taken `apart`, each is evidence of its own.
    """

    starts: int | None = None
    in_flight: Literal["together", "apart"] = "together"


@dataclass(frozen=True, slots=True)
class Slo:
    """A bound on a quantile of a latency metric."""

    metric: Metric
    quantile: float
    max_s: float

    def __str__(self) -> str:
        return f"{self.metric} p{self.quantile * 100:g} <= {self.max_s * 1000:g} ms"


@dataclass(frozen=True, slots=True)
class Guard:
    """Floors on the answers; None means that the floor is not asked for."""

    min_valid: float | None = None
    min_correct: float | None = None
    max_drop: float | None = None

    @property
    def asks(self) -> bool:
        """Tell whether anything is asked of the answers."""
        return (self.min_valid, self.min_correct, self.max_drop) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Load:
    """How requests arrive: closed loop with a concurrency, or open loop with a rate (1/s).

    `burstiness` is the shape of gamma arrivals. `client_processes` share the sending.
    """

    concurrency: int = 1
    rate: float | None = None
    arrivals: Arrivals = "poisson"
    timeout_s: float = 30.0
    burstiness: float = 1.0
    client_processes: int = 1

    @property
    def open_loop(self) -> bool:
        """Tell whether requests are sent at planned times, whatever the server does."""
        return self.rate is not None

    @property
    def loop(self) -> Literal["open", "closed"]:
        """Return which kind of load it is."""
        return "open" if self.open_loop else "closed"

    @property
    def counts_from(self) -> Literal["planned", "sent"]:
        """Return the instant from which E2E and TTFT count."""
        return "planned" if self.open_loop else "sent"

    def __str__(self) -> str:
        if self.open_loop:
            how = f"gamma {self.burstiness:g}" if self.arrivals == "gamma" else self.arrivals
            return f"open loop, {self.rate:g} requests/s ({how})"
        return f"closed loop, concurrency {self.concurrency}"


@dataclass(frozen=True, slots=True)
class Model:
    """The model that is served, as far as its file tells.

    `source` is what FROM names: a path or a model name. `chat_template` is the Jinja text
    of the GGUF metadata; `train_ctx` the context length in tokens it was trained with;
    `parts` are the further files of a split model, `weights_bytes` the size of all of them;
    `cached_per_token` how many values one token keeps in the KV cache (None where the metadata
    does not say).
    """

    name: str
    source: str
    digest: str | None = None
    path: Path | None = None
    parts: tuple[Path, ...] = ()
    chat_template: str | None = None
    train_ctx: int | None = None
    bos_token: str = ""
    eos_token: str = ""
    weights_bytes: int | None = None
    cached_per_token: int | None = None


@dataclass(frozen=True, slots=True)
class EngineStart:
    """How the server that answers was started: in how many seconds, and what that compiled.

    A `cold` start is the first of those that share what is `compiled`, a `warm` one finds it.
    """

    seconds: float
    kind: Literal["cold", "warm"]
    compiled: str


@dataclass(frozen=True, slots=True)
class Effective:
    """What is really in force after a candidate was applied, as the engine itself says.

    `settings` were read back; `unverified` names what was sent and cannot be read back;
    `mismatches` says, in sentences, where the engine differs from what was asked. `threads` is
    how many compute, None where the engine does not say. `notes` say what the engine made of
    settings that it cut or that change nothing. `start` is None where all starts cost alike.
    `limits` are those within which the engine runs, None where none were asked for.
    """

    settings: Mapping[str, Setting]
    unverified: tuple[str, ...]
    mismatches: tuple[str, ...]
    changed: Literal["nothing", "reload", "restart"]
    engine_start: int
    pid: int | None
    address: str
    version: str
    threads: Setting | None = None
    notes: tuple[str, ...] = ()
    start: EngineStart | None = None
    limits: InForce | None = None
