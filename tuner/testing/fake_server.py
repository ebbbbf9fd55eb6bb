"""FakeServer: a real process that speaks HTTP and SSE as llama.cpp's server does.

    python -m tuner.testing.fake_server '{"n_ctx": 2048, "n_parallel": 2}' --ttft-ms 30

It takes the JSON that the embedded engine's child process takes, prints the log lines from
which settings are read back, serves a small made-up model and misbehaves on request
(`--help` lists how). `running` starts one for a test and always ends it. What the real
server sends stands in `recorded/`; bytes and frames here have the same form.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import string
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tuner.testing import fake_front as front
from tuner.testing import fake_world as world
from tuner.testing import serving
from tuner.testing.fake_settings import (
    TRAINED_CTX,
    Options,
    Settings,
    failure,
    log,
    settings_in_force,
    start_lines,
)
from tuner.testing.fake_wire import (
    END,
    GARBAGE,
    MAX_REQUESTS,
    Request,
    Wire,
    again,
    chunk,
    closing,
    read_request,
    token,
    whole,
)
from tuner.testing.fake_world import BadRequest, Faults, Job, Slot, due
from tuner.testing.options import add_options


@dataclass(slots=True)
class State:
    """All that the running server knows."""

    options: Options
    settings: Settings
    slots: list[Slot]
    gate: asyncio.Semaphore
    rng: random.Random
    params: Mapping[str, Any] = field(default_factory=world.default_params)
    ready: bool = False
    asked: int = 0
    clients: set[asyncio.Task[None]] = field(default_factory=set)


def _error(code: int, message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


def _welcome(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve a client in a task of our own: asyncio's would log that it was cancelled."""
    task = asyncio.create_task(_serve(state, reader, writer))
    state.clients.add(task)
    task.add_done_callback(state.clients.discard)


async def _serve(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    wire = Wire(reader, writer, state.options.split_writes)
    gone = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)
    with contextlib.closing(writer), contextlib.suppress(*gone):
        for left in reversed(range(MAX_REQUESTS)):
            request = await read_request(reader, state.options.close_idle_after_ms / 1000.0)
            keep = left > 0 and request.headers.get("connection", "").lower() != "close"
            if not await _handle(state, wire, request, keep):
                break


async def _handle(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    if not state.ready:
        return await wire.reply(503, _error(503, "Loading model", "unavailable_error"))
    front.record(state.options, request)
    request = front.inside(state.options, request)
    if (said := front.other(state.options, request)) is not None:
        return await wire.reply(said.status, said.body, keep, said.kind, said.more)
    if request.route not in ROUTES:
        return await wire.reply(404, _error(404, "File Not Found", "not_found_error"))
    try:
        return await ROUTES[request.route](state, wire, request, keep)
    except BadRequest as refused:
        return await wire.reply(400, {"error": refused.error})


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError as wrong:
        told = f"[json.exception.parse_error.101] parse error: {wrong}"
        raise BadRequest(told) from wrong
    if not isinstance(body, dict) or "messages" not in body:
        raise BadRequest("'messages' is required")
    return body


async def _health(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    return await wire.reply(200, {"status": "ok"}, keep)


async def _props(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    props = json.loads((world.RECORDED / "props.json").read_text(encoding="utf-8"))
    model = state.settings.model
    props["default_generation_settings"]["n_ctx"] = state.settings.ctx_per_slot
    props |= {"total_slots": len(state.slots), "model_path": model, "model_alias": model}
    return await wire.reply(200, {**props, "build_info": state.options.build}, keep)


async def _slots(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    return await wire.reply(200, [s.shown(state.settings) for s in state.slots], keep)


async def _models(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    meta = {"n_ctx": state.settings.ctx_per_slot, "n_ctx_train": TRAINED_CTX}
    model = {"id": state.settings.model, "object": "model", "owned_by": "llamacpp", "meta": meta}
    return await wire.reply(200, {"object": "list", "data": [model]}, keep)


async def _template(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    body = _body(request)
    prompt = world.chat_prompt(body["messages"], body.get("add_generation_prompt", True))
    return await wire.reply(200, {"prompt": prompt}, keep)


async def _tokenize(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    text = json.loads(request.body).get("content", "")
    return await wire.reply(200, {"tokens": list(range(len(world.tokens(text))))}, keep)


async def _chat(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    state.asked += 1
    number, options = state.asked, state.options
    if options.crash_after and number > options.crash_after:
        os._exit(139)
    if due(number, options.error_every):
        return await wire.reply(500, _error(500, "made to fail", "server_error"))
    if options.replay:
        await wire.send((world.RECORDED / "chat.http").read_bytes())
        return False
    job = _planned(state, _body(request))
    async with state.gate:
        with _slot(state, job, number) as cached:
            return await _answer(state, wire, job, cached, number) and keep


def _planned(state: State, body: world.Body) -> Job:
    params = world.request_params(body, state.params, state.options.ignore)
    letters = string.ascii_letters + string.digits
    name = "chatcmpl-" + "".join(state.rng.choices(letters, k=32))
    return world.plan(state.options, state.settings, body, params, name)


@contextlib.contextmanager
def _slot(state: State, job: Job, number: int) -> Iterator[int]:
    """Hold the best free slot for a job; yield how many prompt tokens it has cached."""
    free = [slot for slot in state.slots if not slot.busy]
    slot = max(free, key=lambda s: (s.similarity(job.prompt), -s.used, s.id))
    known = world.common_prefix(slot.job.prompt, job.prompt) if slot.job else 0
    slot.busy, slot.job, slot.task = True, job, number
    try:
        yield min(known, len(job.prompt) - 1)
    finally:
        slot.busy, slot.used = False, time.monotonic()


async def _answer(state: State, wire: Wire, job: Job, cached: int, number: int) -> bool:
    """Say a job's answer at its instants; return whether the connection stays open."""
    start, count = asyncio.get_running_loop().time(), max(1, len(job.answer))
    fresh, threads = len(job.prompt) - cached, state.settings.n_threads
    planned = world.instants(state.options, threads, fresh, count, state.rng)
    accounts, faults = world.accounts(job, cached, planned), Faults.of(state.options, number)
    if not job.stream:
        await _until(start + planned[-1])
        return await _whole(wire, job, accounts, faults)
    for place, instant in enumerate(planned):
        await _until(start + instant)
        await wire.send(token(job, place))
        if place == (count - 1) // 2 and not await _go_on(wire, faults):
            return False
    while state.options.endless:
        await wire.send(again(job))
        await asyncio.sleep(max(1.0, state.options.itl_ms) / 1000.0)
    await wire.send(END if faults.no_done else closing(job, accounts))
    return state.options.keep_alive or "stays-open" in job.ways


async def _until(instant: float) -> None:
    await asyncio.sleep(instant - asyncio.get_running_loop().time())


async def _go_on(wire: Wire, faults: Faults) -> bool:
    """Do what goes wrong in the middle of a stream; return whether it goes on."""
    await asyncio.sleep(faults.stall_s)
    if faults.garbage:
        await wire.send(chunk(GARBAGE))
    return not faults.cut


async def _whole(wire: Wire, job: Job, accounts: Mapping[str, Any], faults: Faults) -> bool:
    await asyncio.sleep(faults.stall_s)
    document = GARBAGE if faults.garbage else whole(job, accounts)
    return not faults.cut and await wire.reply(200, document)


ROUTES: dict[str, Callable[[State, Wire, Request, bool], Awaitable[bool]]] = {
    "GET /health": _health,
    "GET /props": _props,
    "GET /slots": _slots,
    "GET /v1/models": _models,
    "POST /apply-template": _template,
    "POST /tokenize": _tokenize,
    "POST /v1/chat/completions": _chat,
    "POST /v1/chat/completions/": _chat,
    "POST /chat/completions": _chat,
}


async def _run(options: Options, settings: Settings) -> int:
    slots = [Slot(i) for i in range(settings.n_parallel)]
    gate, rng = asyncio.Semaphore(len(slots)), random.Random(options.seed)
    state, stop = State(options, settings, slots, gate, rng), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, _nothing if options.ignore_sigterm else stop.set)
    server = await asyncio.start_server(
        partial(_welcome, state), options.host, settings.port, ssl=front.tls(options)
    )
    loading = asyncio.create_task(_load(state, server.sockets[0].getsockname()[1]))
    await stop.wait()
    loading.cancel()
    server.close()
    return 0


def _nothing() -> None:
    """Take a signal and go on."""


async def _load(state: State, port: int) -> None:
    """Become ready, as slowly as asked for, and tell so in the log."""
    log(f"I fake         init: bound to http://127.0.0.1:{port}")
    if state.options.never_ready:
        return
    await asyncio.sleep(state.options.load_s)
    state.ready = True
    log(f"I srv          init: listening on http://127.0.0.1:{port}")


def _parser() -> argparse.ArgumentParser:
    about = __doc__.split("\n\n")[0] + " @FILE reads options from a file, a word a line."
    parser = argparse.ArgumentParser("fake_server", description=about, fromfile_prefix_chars="@")
    parser.add_argument("settings", nargs="?", default="{}", help="the engine's settings, as JSON")
    add_options(parser, Options)
    return parser


def main() -> int:
    """Run the fake server until it is told to stop; return the exit code."""
    given = vars(_parser().parse_args())
    settings = settings_in_force(given.pop("settings"), given["ignore"])
    options = Options(**_tuples(given))
    code, last = failure(options, settings)
    for line in [*start_lines(settings)][: 3 if code else None] + last:
        log(line)
    if options.spawn_grandchild and not code:
        log(f"I fake         init: grandchild pid = {_spawn()}")
    try:
        return code or asyncio.run(_run(options, settings))
    except OSError as wrong:
        log(f"E srv         start: couldn't bind HTTP server socket: {wrong}")
        return 1


def _tuples(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}


def _spawn() -> int:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        sleeper, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    ).pid


def command(*options: str, **settings: str | int) -> list[str]:
    """Return the command line that starts a fake server."""
    return [sys.executable, "-m", "tuner.testing.fake_server", json.dumps(settings), *options]


@contextlib.contextmanager
def running(
    *options: str, log: Path | None = None, ready: str = "listening on", **settings: str | int
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a fake server; yield its process and port; end that process in any case.

    `ready` is the text of the log line to wait for: "bound to" comes before the model has
    loaded. The log goes to `log`, or to a temporary file.
    """
    with serving.running(command(*options, **settings), log=log, ready=ready) as started:
        yield started


if __name__ == "__main__":
    sys.exit(main())
