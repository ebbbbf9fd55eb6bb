"""Say what becomes of a candidate before anything is started for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tuner.engines.base import Resolution
from tuner.engines.vllm.preflight import resolution
from tuner.engines.vllm.preflight.limits import Limits
from tuner.engines.vllm.preflight.resolver import Resolver, Unusable
from tuner.engines.vllm.settings import command
from tuner.engines.vllm.settings.using import Using
from tuner.machine.usage import least_gpu_bytes
from tuner.spec.beside import Limits as Allowed
from tuner.spec.values import Candidate


class Preflight:
    """vLLM's own resolver, our rules where it cannot run, and the `limits` that are known.

    `private` are the variables of all servers of ours, `allowed` is how much they may take.
    """

    def __init__(
        self,
        using: Using,
        private: Mapping[str, str],
        log: Path,
        allowed: Allowed | None = None,
    ) -> None:
        self.limits = Limits(
            command.parallel(using.fixed, "tensor"),
            command.parallel(using.fixed, "pipeline"),
            least_gpu_bytes(),
        )
        self._fixed, self._private = using.fixed, private
        self._resolver = Resolver(using.installation.python, log, allowed)
        self._without_resolver: str | None = None

    async def resolve(self, candidate: Candidate) -> Resolution:
        """Return what vLLM makes of a candidate; what cannot fit is refused."""
        resolved = await self._resolved(candidate)
        settings = {**candidate, **resolved.settings}
        refused = resolved.refused or self.limits.refusal(str(candidate["model"]), settings)
        return resolved if refused is None else replace(resolved, identity=None, refused=refused)

    async def _resolved(self, candidate: Candidate) -> Resolution:
        beside = self._beside(candidate)
        if self._without_resolver is None:
            try:
                return await self._asked(candidate, beside)
            except Unusable as unusable:
                self._without_resolver = str(unusable)
        return resolution.by_rules(candidate, beside, self._without_resolver)

    async def _asked(self, candidate: Candidate, beside: Mapping[str, str]) -> Resolution:
        """Return what vLLM's resolver says, without what it says of this machine in any case."""
        model, words = str(candidate["model"]), command.words(candidate, self._fixed)
        env = {**command.environment(candidate, self._fixed), **self._private}
        answer = await self._resolver.ask((model, *words), env)
        usual = await self._resolver.ask((model,), self._private)
        notes = tuple(note for note in answer.notes if note not in usual.notes)
        return resolution.of_answer(candidate, replace(answer, notes=notes), beside)

    def _beside(self, candidate: Candidate) -> Mapping[str, str]:
        """Return what a server is started with that its configuration does not hold."""
        given = {name: str(value) for name, value in self._fixed.flags.items()}
        return given | command.environment(candidate, self._fixed)

    async def aclose(self) -> None:
        """End the resolver."""
        await self._resolver.aclose()
