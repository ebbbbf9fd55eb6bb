"""Ask vLLM's own resolver what becomes of settings, through a process in its Python."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.engines.serving.limiting import restrain
from tuner.spec.beside import Limits

HELPER = Path(__file__).with_name("resolver_helper.py")

GREETING_S = 180.0
"""Importing vLLM takes 10 to 20 seconds, and more from a cold disk."""

ANSWER_S = 120.0
"""The first answer looks at the model, which may lie on a slow disk or at Hugging Face."""

_LONGEST = 2**24
_VALUE_ERROR = re.compile(r"Value error, (.*?) \[type=", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What vLLM makes of settings: its whole configuration by section.name, or why it refuses.

    `compiled` names what a start compiles; `notes` are vLLM's warnings.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    compiled: str | None = None
    refused: str | None = None
    notes: tuple[str, ...] = ()


class Unusable(Exception):
    """The resolver does not run here; the text says why."""


class Resolver:
    """A helper process in vLLM's Python, which is started when it is first asked.

    It ends when its standard input closes, so that it cannot outlive `tune`. It yields as the
    engine does within its `limits`.
    """

    def __init__(self, python: str, log: Path, limits: Limits | None = None) -> None:
        self._python, self._log, self._limits = python, log, limits
        self._process: asyncio.subprocess.Process | None = None
        self._known: dict[str, Answer] = {}

    async def ask(self, words: tuple[str, ...], env: Mapping[str, str]) -> Answer:
        """Return what becomes of the arguments of `vllm serve`; raise Unusable."""
        question = json.dumps({"words": words, "env": dict(env)}, sort_keys=True)
        if question not in self._known:
            self._known[question] = await self._asked(question)
        return self._known[question]

    async def _asked(self, question: str) -> Answer:
        if self._process is None:
            self._process = await self._started()
        told = await self._line(self._process, question, ANSWER_S)
        if told.get("gpu"):  # it would keep memory from the server
            await self.aclose()
        return answer_of(told)

    async def _started(self) -> asyncio.subprocess.Process:
        """Start the helper and wait for its greeting."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(self._python, str(HELPER)),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    limit=_LONGEST,
                    env={**os.environ, "VLLM_NO_USAGE_STATS": "1"},
                )
            except OSError as error:
                raise Unusable(f"{self._python} cannot be executed: {error.strerror}") from None
        self._process = process
        restrain(process.pid, self._limits)
        greeting = await self._line(process, None, GREETING_S)
        if "version" not in greeting:
            await self.aclose()
            raise Unusable(str(greeting.get("unusable")))
        return process

    async def _line(
        self, process: asyncio.subprocess.Process, question: str | None, most_s: float
    ) -> Mapping[str, Any]:
        """Send a question, if one is given, and return the line that answers; raise Unusable."""
        assert process.stdin is not None and process.stdout is not None
        try:
            async with asyncio.timeout(most_s):
                if question is not None:
                    process.stdin.write(question.encode() + b"\n")
                    await process.stdin.drain()
                told = json.loads(await process.stdout.readline())
        except TimeoutError:
            await self.aclose()
            raise Unusable(f"no answer within {most_s:g} s; its log is {self._log}") from None
        except (ValueError, ConnectionError):
            await self.aclose()
            raise Unusable(f"it ended without an answer; its log is {self._log}") from None
        if not isinstance(told, dict):
            raise Unusable(f"it answered {told!r} where an object was expected")
        return told

    async def aclose(self) -> None:
        """End the helper and wait until it is gone."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(2.0):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def answer_of(told: Mapping[str, Any]) -> Answer:
    """Return a line of the helper as a value."""
    notes = told.get("notes")
    refused, values = told.get("refused"), told.get("values")
    return Answer(
        values=values if isinstance(values, dict) else {},
        compiled=str(told["hash"]) if "hash" in told else None,
        refused=None if refused is None else in_a_sentence(str(refused)),
        notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
    )


def in_a_sentence(refused: str) -> str:
    """Return what vLLM raised without what pydantic writes around it."""
    said = _VALUE_ERROR.search(refused)
    text = said[1] if said else refused.removeprefix("Refused: ")
    return " ".join(text.split())
