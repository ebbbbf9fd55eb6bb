"""FakeOllama: a program that is called and speaks as Ollama does, without a model.

    OLLAMA_HOST=127.0.0.1:9999 python -m tuner.testing.fake_ollama serve --busy

It knows the models of OLLAMA_MODELS by the names that clients create, copy and delete, starts a
child process with a runner's command line as versions up to 0.29 do, and misbehaves on request.
What Ollama sends stands in its api/types.go; frames here have the same form.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tuner.testing import fake_world as world
from tuner.testing.fake_settings import Options
from tuner.testing.options import add_options, option

TRAINED_CTX = 8192


@dataclass(frozen=True, slots=True)
class Faults:
    """How the fake behaves; every field is a command-line option."""

    version: str = option("0.11.4", "the version that it says it is")
    ttft_ms: float = option(5.0, "time to the first token")
    itl_ms: float = option(0.5, "time between two tokens")
    busy: bool = option(False, "answer every chat with 503, as a full queue does")
    no_memory: bool = option(False, "refuse to load: the model needs more memory than there is")
    no_space: bool = option(False, "refuse to create: no space left on device")
    no_replace: bool = option(False, "refuse to copy over a model: no space left on device")
    runner_dies: bool = option(
        False, "answer every chat that asks something as a killed runner does"
    )
    no_final: bool = option(False, "end every stream without its final frame")
    only_thinks: bool = option(False, "answer with thoughts and an empty content")
    one_slot: bool = option(False, "force one slot, whatever OLLAMA_NUM_PARALLEL says")


@dataclass(slots=True)
class State:
    """All that the running server knows: models by name, and what is loaded with which options."""

    faults: Faults
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    loaded: tuple[str, dict[str, Any]] | None = None
    runner: asyncio.subprocess.Process | None = None


def _named(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


async def _version(request: web.Request) -> web.Response:
    return web.json_response({"version": request.app[STATE].faults.version})


async def _tags(request: web.Request) -> web.Response:
    models = request.app[STATE].models.items()
    listed = [{"name": n, "model": n, "digest": _digest(body), "size": 1} for n, body in models]
    return web.json_response({"models": listed})


def _digest(body: Mapping[str, Any]) -> str:
    """Return what two names of one model have in common."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


async def _ps(request: web.Request) -> web.Response:
    loaded = request.app[STATE].loaded
    listed = [] if loaded is None else [_loaded(*loaded)]
    return web.json_response({"models": listed})


def _loaded(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    context = min(int(options.get("num_ctx", 4096)), TRAINED_CTX)
    return {"name": name, "model": name, "size": 2**20, "size_vram": 0, "context_length": context}


async def _show(request: web.Request) -> web.Response:
    name = _named((await request.json())["model"])
    made = request.app[STATE].models.get(name)
    if made is None:
        return _error(404, f"model '{name}' not found")
    lines = ["FROM /models/blobs/sha256-" + "0" * 64]
    lines += [f'SYSTEM """{made["system"]}"""'] if made.get("system") else []
    lines += [f"PARAMETER {n} {v}" for n, v in made.get("parameters", {}).items()]
    return web.json_response({"modelfile": "\n".join(lines) + "\n", "model_info": {}})


async def _create(request: web.Request) -> web.Response:
    body, state = await request.json(), request.app[STATE]
    if state.faults.no_space:
        return _error(500, "write /models/blobs/sha256-0: no space left on device")
    if _named(body["from"]) not in state.models:
        return _error(404, f"model '{body['from']}' not found")
    base = state.models[_named(body["from"])]
    settings = {**base.get("parameters", {}), **body.get("parameters", {})}
    state.models[_named(body["model"])] = {**base, **body, "parameters": settings}
    return web.json_response({"status": "success"})


async def _pull(request: web.Request) -> web.Response:
    name = (await request.json())["model"]
    if name.startswith("no-such"):
        return _error(500, "pull model manifest: file does not exist")
    request.app[STATE].models[_named(name)] = {}
    return web.json_response({"status": "success"})


async def _copy(request: web.Request) -> web.Response:
    body, models = await request.json(), request.app[STATE].models
    if request.app[STATE].faults.no_replace and _named(body["destination"]) in models:
        return _error(500, "write /models/manifests: no space left on device")
    if _named(body["source"]) not in models:
        return _error(404, f"model '{body['source']}' not found")
    models[_named(body["destination"])] = models[_named(body["source"])]
    return web.Response()


async def _delete(request: web.Request) -> web.Response:
    gone = request.app[STATE].models.pop(_named((await request.json())["model"]), None)
    return web.Response() if gone is not None else _error(404, "model not found")


async def _chat(request: web.Request) -> web.StreamResponse:
    body, state = await request.json(), request.app[STATE]
    name, faults = _named(body["model"]), state.faults
    if name not in state.models:
        return _error(404, f"model '{body['model']}' not found")
    if faults.busy:
        return _error(503, "server busy, please try again.  maximum pending requests exceeded")
    if faults.no_memory:
        return _error(
            500, "model requires more system memory (9.9 GiB) than is available (1.0 GiB)"
        )
    made = state.models[name]
    options = {**made.get("parameters", {}), **(body.get("options") or {})}
    if not body.get("messages"):
        return await _load_only(state, name, options, unload=body.get("keep_alive") == 0)
    if faults.runner_dies:
        return _error(500, "model runner has unexpectedly stopped: signal: killed")
    await _load(state, name, options)
    turns = [*made.get("messages", ()), *body["messages"]]
    return await _answer(request, {**body, "messages": turns}, options)


async def _load_only(
    state: State, name: str, options: dict[str, Any], *, unload: bool
) -> web.Response:
    if unload:
        await _end_runner(state)
    else:
        await _load(state, name, options)
    reason = "unload" if unload else "load"
    return web.json_response(
        {"model": name, "message": _said(""), "done": True, "done_reason": reason}
    )


async def _load(state: State, name: str, options: dict[str, Any]) -> None:
    """Start a runner where none runs with these options: its command line tells them."""
    command = _runner_command(state, options)
    if state.loaded is not None and _runner_command(state, state.loaded[1]) == command:
        state.loaded = name, options
        return
    await _end_runner(state)
    sleep = "import time; time.sleep(600)"
    state.runner = await asyncio.create_subprocess_exec(sys.executable, "-c", sleep, *command)
    state.loaded = name, options


def _runner_command(state: State, options: Mapping[str, Any]) -> tuple[str, ...]:
    slots = 1 if state.faults.one_slot else int(os.environ.get("OLLAMA_NUM_PARALLEL") or 1)
    context = min(int(options.get("num_ctx", 4096)), TRAINED_CTX) * slots
    numbers = {
        "--ctx-size": context,
        "--batch-size": options.get("num_batch", 512),
        "--threads": options.get("num_thread") or 2,
        "--parallel": slots,
    }
    flags = [word for flag, value in numbers.items() for word in (flag, str(value))]
    return ("runner", "--model", "/models/blobs/sha256-0", *flags, "--no-mmap")


async def _end_runner(state: State) -> None:
    runner, state.runner, state.loaded = state.runner, None, None
    if runner is not None:
        runner.kill()
        await runner.wait()


async def _answer(
    request: web.Request, body: Mapping[str, Any], options: Mapping[str, Any]
) -> web.StreamResponse:
    """Say an answer in frames, or in one where no stream is asked for."""
    faults = request.app[STATE].faults
    asked = {**body, "response_format": body.get("format")}
    said = world.answer(Options(), asked, float(options.get("temperature", 0.8)))
    limit = int(options.get("num_predict", -1))
    pieces = world.tokens(said)
    cut = pieces[:limit] if limit >= 0 else pieces
    reason = "length" if len(cut) < len(pieces) else "stop"
    final = _final(body, cut, reason, faults)
    if not body.get("stream", True):
        await asyncio.sleep(faults.ttft_ms / 1000)
        return web.json_response({**final, "message": _said("".join(cut))})
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    await asyncio.sleep(faults.ttft_ms / 1000)
    for piece in cut:
        message = _said("", thinking=piece) if faults.only_thinks else _said(piece)
        await response.write(_line({"message": message, "done": False}))
        await asyncio.sleep(faults.itl_ms / 1000)
    if not faults.no_final:
        await response.write(_line(final))
    return response


def _said(text: str, **more: str) -> dict[str, str]:
    return {"role": "assistant", "content": text, **more}


def _line(frame: Mapping[str, Any]) -> bytes:
    return json.dumps(frame, ensure_ascii=False).encode() + b"\n"


def _final(
    body: Mapping[str, Any], said: tuple[str, ...], reason: str, faults: Faults
) -> dict[str, Any]:
    prompt = sum(len(world.tokens(world.content(m))) for m in body["messages"])
    prefill, decode = int(faults.ttft_ms * 1e6), int(faults.itl_ms * 1e6) * len(said)
    return {
        "message": _said(""),
        "done": True,
        "done_reason": reason,
        "total_duration": prefill + decode,
        "load_duration": 1_000_000,
        "prompt_eval_count": prompt,
        "prompt_eval_duration": prefill,
        "eval_count": len(said),
        "eval_duration": decode,
    }


STATE: web.AppKey[State] = web.AppKey("state", State)


def app(faults: Faults, models: list[str]) -> web.Application:
    """Return the server with these models."""
    made = web.Application()
    made[STATE] = State(faults, {_named(name): {} for name in models})
    made.add_routes(
        [
            web.get("/api/version", _version),
            web.get("/api/tags", _tags),
            web.get("/api/ps", _ps),
            web.post("/api/show", _show),
            web.post("/api/create", _create),
            web.post("/api/copy", _copy),
            web.post("/api/pull", _pull),
            web.delete("/api/delete", _delete),
            web.post("/api/chat", _chat),
        ]
    )
    made.on_cleanup.append(lambda stopped: _end_runner(stopped[STATE]))
    return made


def main() -> int:
    """Do what the program `ollama` does: serve, or tell its version."""
    parser = argparse.ArgumentParser(prog="fake_ollama", description=__doc__.split("\n\n")[0])
    parser.add_argument("command", nargs="?", choices=["serve"])
    parser.add_argument("--model", action="append", default=[], help="a model that it has")
    add_options(parser, Faults)
    if sys.argv[1:] == ["--version"]:
        print(f"ollama version is {Faults().version}")
        return 0
    given = vars(parser.parse_args())
    models, _ = given.pop("model"), given.pop("command")
    host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
    random.seed(0)
    kept, loaded = (os.environ.get(f"OLLAMA_{n}") for n in ("KEEP_ALIVE", "MAX_LOADED_MODELS"))
    config = f"OLLAMA_KEEP_ALIVE:{kept or '5m0s'} OLLAMA_MAX_LOADED_MODELS:{loaded or 0}"
    print(f'time={time.time()} level=INFO msg="server config" env="map[{config}]"', flush=True)
    web.run_app(app(Faults(**given), models), host=host.strip("[]"), port=int(port), print=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
