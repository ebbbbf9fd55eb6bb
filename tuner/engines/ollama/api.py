"""Control calls to an Ollama: load, create, remove, and what it says is in force.

The ollama package makes those calls it has; the fields that it lacks go over `control`.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import psutil

from tuner.engines.ollama.chat import ollama_request
from tuner.engines.ollama.package import ollama, trusted
from tuner.engines.serving import control
from tuner.load.wire import Request
from tuner.spec.errors import EngineDied, EngineError, EngineMissing, InputError, StartFailed
from tuner.spec.knobs import LEFT_TO_ENGINE, Knob, limited, name_of
from tuner.spec.model_name import shown
from tuner.spec.values import Candidate, Message, Setting

LOAD_DEADLINE_S = 300.0
"""Ollama's own limit for a load that does not move (envconfig/config.go, LoadTimeout)."""

UNLOAD_DEADLINE_S = 30.0
_POLL_S = 0.05

TEMPORARY = "modelfile-tuner-candidate"
"""Models of this name are ours, made to be measured as created; the tag is our process."""

_NO_MEMORY = re.compile(r"more system memory|out of memory|failed to allocate|unable to allocate")


def options_of(candidate: Candidate, knobs: Mapping[str, Knob]) -> dict[str, Any]:
    """Return the options of a candidate, less those that are left to Ollama."""
    names = (k.name for k in knobs.values() if k.where == "modelfile" and k.name != "model")
    asked = {n: candidate[n] for n in names if candidate[n] not in LEFT_TO_ENGINE}
    return {n: [value] if n == "stop" else value for n, value in asked.items()}


def limit_of(
    candidate: Candidate, knobs: Mapping[str, Knob], output_tokens: int | None
) -> dict[str, Any]:
    """Return the option that lets an answer have so many tokens, none for None."""
    name = name_of(knobs, "limit")
    if name is None or output_tokens is None:
        return {}
    return {name: limited(knobs, candidate, output_tokens)[name]}


def request_of(
    model: str,
    messages: Sequence[Message],
    candidate: Candidate,
    options: Mapping[str, Any],
    response_format: Any,
) -> Request:
    """Return the chat request of a candidate with the fields that only a client can send."""
    think = candidate.get("think", "auto")
    fields = {} if think in LEFT_TO_ENGINE else {"think": think}
    return ollama_request(model, messages, options, response_format, **fields)


async def load(address: str, model: str, options: Mapping[str, Any]) -> None:
    """Load a model with these options, which an empty conversation does.

    Raises InputError for a model that is not there, StartFailed for one that does not load.
    """
    try:
        async with _client(address) as client:
            await client.chat(model, messages=[], options=dict(options))
    except ollama.ResponseError as refused:
        raise _not_loaded(model, refused) from refused
    except (httpx.HTTPError, ConnectionError) as silent:
        told = f"Ollama gave no answer to loading {model} ({silent!r})"
        raise StartFailed("timeout", told) from silent


def _client(address: str) -> ollama.AsyncClient:
    """Return a client that waits for slow loads and asks no proxy."""
    return ollama.AsyncClient(address, timeout=LOAD_DEADLINE_S, trust_env=False, verify=trusted())


def _not_loaded(model: str, refused: ollama.ResponseError) -> InputError | StartFailed:
    if refused.status_code == 404:
        return InputError(f"Ollama has no model {model!r}: `ollama pull {model}` fetches one")
    told = f"Ollama did not load {model}: {refused.error}"
    if refused.status_code == 503:
        return StartFailed("crashed", f"{told}; others are loading models now, try again")
    return StartFailed("out_of_memory" if _NO_MEMORY.search(told) else "crashed", told)


async def unload(address: str, model: str) -> None:
    """Make Ollama forget a loaded model, so that the next request loads it anew.

    Returns when it is gone, which comes after Ollama's answer.
    """
    try:
        async with _client(address) as client:
            await client.chat(model, messages=[], keep_alive=0)
        async with asyncio.timeout(UNLOAD_DEADLINE_S):
            while shown(model) in await loaded(address):
                await asyncio.sleep(_POLL_S)
    except (ollama.ResponseError, httpx.HTTPError, ConnectionError, TimeoutError) as error:
        raise EngineDied(f"Ollama did not unload {model}: {error!r}") from error


async def create(address: str, name: str, body: Mapping[str, Any]) -> None:
    """Create a model; `body` holds the other fields of POST /api/create (api/types.go).

    Raises EngineError with Ollama's own words where it refuses.
    """
    status, answer = await control.call(
        "POST", f"{address}/api/create", {**body, "model": name, "stream": False}
    )
    if status != 200 or (answer or {}).get("error"):
        raise EngineError(f"Ollama did not create {name} ({status}): {answer}")


def temporary_name() -> str:
    """Return the name of the model that this process creates in order to measure it."""
    return f"{TEMPORARY}:{os.getpid()}"


async def _models(address: str, which: str) -> list[dict[str, Any]] | None:
    """Return the models that /api/tags (there) or /api/ps (loaded) lists, None without answer."""
    status, answer = await control.call("GET", f"{address}/api/{which}")
    return answer.get("models") or [] if status == 200 and isinstance(answer, dict) else None


async def digests(address: str) -> dict[str, str | None]:
    """Return the digest of each model that is there, by its name."""
    there = await _models(address, "tags") or ()
    return {str(m.get("name")): m.get("digest") for m in there}


async def remove_left_behind(address: str) -> None:
    """Remove the temporary models of processes that were killed before they could."""
    for name in (str(m.get("name")) for m in await _models(address, "tags") or ()):
        base, _, process = name.partition(":")
        if base == TEMPORARY and process.isdigit() and not psutil.pid_exists(int(process)):
            await remove(address, name)


async def remove(address: str, name: str) -> None:
    """Remove a model; one that is not there is as good as removed."""
    await control.call("DELETE", f"{address}/api/delete", {"model": name})


async def running(address: str, model: str) -> dict[str, Setting]:
    """Return what /api/ps says of a loaded model: its context; {} where it says nothing."""
    models = await _models(address, "ps")
    if models is None:
        raise EngineDied(f"Ollama at {address} does not say what it has loaded (/api/ps)")
    mine = (m for m in models if m.get("name") == shown(model))
    context = next((m.get("context_length") for m in mine), None)
    return {"num_ctx": context} if isinstance(context, int) and context > 0 else {}


async def loaded(address: str) -> dict[str, int]:
    """Return the models that a server holds in memory with their bytes; {} where none answers."""
    models = await _models(address, "ps") or []
    return {str(m.get("name")): int(m.get("size") or 0) for m in models}


async def gpu_share(address: str) -> dict[str, Setting]:
    """Return which share of the loaded model lies in a GPU's memory, {} where nothing shows."""
    models = await _models(address, "ps") or []
    shares = [m.get("size_vram", 0) / m["size"] for m in models if m.get("size")]
    return {"gpu_share": round(shares[0], 3)} if shares else {}


async def version(address: str) -> tuple[int, ...]:
    """Return the version of a running server; raise EngineMissing where none answers."""
    status, answer = await control.call("GET", f"{address}/api/version")
    told = re.findall(r"\d+", str(answer.get("version", ""))) if isinstance(answer, dict) else []
    if status != 200 or not told:
        raise EngineMissing(
            f"no Ollama answers at {address} ({status or answer}); start it with `ollama serve`, "
            "or name another with --attach URL"
        )
    return tuple(map(int, told[:3]))
