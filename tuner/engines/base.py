"""The contract of an engine. `tuner.testing.engine_contract` holds the suite that tests it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from tuner.engines.latency_counts import LatencyCounts
from tuner.engines.observation import Observation
from tuner.load.issue import Reply
from tuner.load.wire import Exchange, Request, Transport
from tuner.spec.beside import InForce
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate, Effective, Message, Model, Setting


@dataclass(frozen=True, slots=True)
class Preview:
    """What shows of an engine that was not started.

    `missing` says, in sentences, what has to be installed before it can start. `train_ctx` is
    the context in tokens that the model was trained with, where its file tells; `left_out`
    says of knobs that a server which somebody else started does not let change, why.
    """

    knobs: Mapping[str, Knob]
    missing: tuple[str, ...] = ()
    train_ctx: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an engine makes of a candidate, told before it starts.

    Candidates of one `identity` are served by servers that run alike; None where the engine
    `refused` the candidate, in a sentence. `settings` are the values that its knobs will have.
    Starts of one `compiled` share what the first of them compiles; None is unknown. `notes` say
    what is cut, overridden or without effect.
    """

    identity: str | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    compiled: str | None = None
    refused: str | None = None
    notes: tuple[str, ...] = ()


class Engine(Protocol):
    """Makes a candidate serve, says what is really in force, stops cleanly.

    Life: `apply` any number of times, then `aclose`; one task at a time. A candidate holds a
    value for each of `knobs`; other keys of it (system, shots, format) belong to the prompt.
    """

    @property
    def name(self) -> str:
        """Return the kind of the engine, as the study file names it."""
        ...

    @property
    def model(self) -> Model:
        """Return the model that is served."""
        ...

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """Return the engine's knobs with their tiers and defaults."""
        ...

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Reach a serving state for the candidate at the least cost and read it back.

        The cost is nothing where only request-tier knobs differ from what is in force, else
        a reload, else a restart; `fresh` asks for a restart in any case. What is returned
        comes from the engine itself, never from the request: a setting that it ignores
        shows as a mismatch. Raises StartFailed, EngineDied.
        """
        ...

    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the HTTP request that carries a conversation under the candidate.

        `response_format` is None, "json", or a JSON Schema. With `output_tokens` the answer is to
        be so long: no longer, nor than the candidate's limit (`spec.knobs.limited`), and no shorter
        where the server can be told to go on.
        """
        ...

    def read(self, exchange: Exchange) -> Reply:
        """Return what an exchange brought: stamps, tokens, finish reason, server timings.

        An answer without its final frame is `incomplete`. Never raises for anything a
        server can send. A function that another process can import: it reads there what
        client processes sent.
        """
        ...

    def transport(self) -> Transport:
        """Return a transport to the address that now serves."""
        ...

    def memory_bytes(self) -> int | None:
        """Return the memory that serving takes now, or None where it cannot be seen."""
        ...

    def cpu_s(self) -> float | None:
        """Return the CPU seconds of the engine's processes until now, None where unseen.

        It only grows while they live: the difference of two calls is what was used between them.
        """
        ...

    def alive(self) -> bool:
        """Tell whether the engine still runs, as far as its process tells."""
        ...

    async def aclose(self) -> None:
        """Stop what was started, wait until it is gone; harmless when called twice.

        Raises EngineDied, after a bounded time, where something of it does not end.
        """
        ...


@runtime_checkable
class Creates(Protocol):
    """An engine that can serve a candidate as a model of its own, made from its Modelfile.

    So what goes into service is what was measured: `Engine.request` then sends only what a
    Modelfile cannot hold. The model is temporary: the next `apply`, and `aclose`, remove it.
    """

    async def create(self, candidate: Candidate, body: Mapping[str, Any]) -> Effective:
        """Create the model of the candidate that is in force, and read back what it runs with.

        `body` holds the fields of the Modelfile as POST /api/create takes them. Raises
        EngineError.
        """
        ...


@runtime_checkable
class Stores(Protocol):
    """An engine whose models have names in a store, where a name may come to mean another one."""

    @property
    def manifests(self) -> Mapping[str, str | None]:
        """Return the digest of each model that a candidate may name: weights and all else of it."""
        ...


@runtime_checkable
class Notices(Protocol):
    """An engine whose log tells of requests that were answered, but not as they were sent."""

    def noticed(self) -> str | None:
        """Return what the log says of requests since the last `apply`, None for nothing."""
        ...


@runtime_checkable
class Refuses(Protocol):
    """An engine whose server may not know every setting that a request can carry."""

    async def refused(self, settings: Candidate) -> Mapping[str, str]:
        """Return which of these settings the server does not take, and why, asking it for them."""
        ...


@runtime_checkable
class Resolves(Protocol):
    """An engine that tells what it will make of a candidate without starting for it."""

    async def resolve(self, candidate: Candidate) -> Resolution:
        """Return what becomes of a candidate's settings."""
        ...


@runtime_checkable
class Neighbour(Protocol):
    """An engine that may run beside a server in production on the same machine."""

    async def in_production(self) -> Mapping[str, int]:
        """Return what the server in production holds in memory now, in bytes, by a few words.

        It is asked once, before ours starts, and never changed; {} where none answers.
        """
        ...


@runtime_checkable
class Unloads(Protocol):
    """An engine whose model leaves the memory while its server goes on."""

    async def unload(self) -> None:
        """Let go of the model: the next request loads it again."""
        ...


@runtime_checkable
class Seen(Protocol):
    """An engine that we did not start, and whose processes may be in sight all the same."""

    @property
    def server(self) -> str:
        """Return which server it is, as a URL."""
        ...

    def seen_cpu_s(self) -> float | None:
        """Return the CPU seconds of its processes until now, None where they are out of sight."""
        ...


@runtime_checkable
class Limited(Protocol):
    """An engine that `tune` starts, within the limits that a study sets."""

    limits: InForce | None
    """What is in force of them since the last start, None where none were asked."""

    def out_of_memory(self) -> str | None:
        """Return that a process of it ended since it had no more memory, None where none did."""
        ...


class Watch(Protocol):
    """A server that is being watched."""

    async def observation(self) -> Observation | None:
        """Return what the server told since the watch began, None where it told nothing.

        Never raises for anything that a server can send, or leave out.
        """
        ...


@runtime_checkable
class Observes(Protocol):
    """An engine whose server tells what it does while it is measured."""

    def observing(self) -> AbstractAsyncContextManager[Watch]:
        """Watch the server that now serves while the context lasts, beside the measured path."""
        ...


@runtime_checkable
class Lists(Protocol):
    """An engine over a server of somebody else's, which tells the models that it serves."""

    async def served(self) -> Mapping[str, str | None]:
        """Return the models by their names, each with its digest, None where that is not told.

        {} where the server lists none. Raises EngineDied where nobody answers.
        """
        ...


@runtime_checkable
class CountsLatencies(Protocol):
    """An engine whose server counts how long all requests took, whoever sent them."""

    async def latency_counts(self) -> LatencyCounts | None:
        """Return what its counters say now, None where they say nothing or it does not answer.

        Never raises for anything that a server can send, or leave out.
        """
        ...
