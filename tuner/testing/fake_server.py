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
import re
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tuner.testing import fake_world as world
from tuner.testing.fake_world import BadRequest, Job, Options, Settings

BORN = time.monotonic()


@dataclass(slots=True)
class Slot:
    """One sequence that the fake model can work on, and what it worked on last."""

    id: int
    busy: bool = False
    used: float = 0.0
    job: Job | None = None
    task: int = -1

    def similarity(self, prompt: tuple[str, ...]) -> float:
        """Return which share of a prompt is still cached here, 0 where too little is."""
        known = self.job.prompt if self.job else ()
        share = world.common_prefix(known, prompt) / max(1, len(prompt))
        return share if share > 0.1 else 0.0


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


def _error(code: int, message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


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
    return await wire.reply(200, {**props, "build_info": "fake"}, keep)


async def _slots(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    return await wire.reply(200, [_shown(slot, state) for slot in state.slots], keep)


def _shown(slot: Slot, state: State) -> dict[str, Any]:
    basic = {"id": slot.id, "n_ctx": state.settings.ctx_per_slot, "speculative": False}
    basic["is_processing"] = slot.busy
    if slot.job is None:
        return basic
    done = {"n_prompt_tokens_processed": 0, "n_prompt_tokens_cache": 0, "params": slot.job.params}
    following = {"has_next_token": slot.busy, "has_new_line": False, "n_remain": -1}
    size = len(slot.job.prompt)
    last = {"next_token": [{**following, "n_decoded": 0}]}
    return {**basic, "id_task": slot.task, "n_prompt_tokens": size, **done, **last}


async def _models(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    meta = {"n_ctx": state.settings.ctx_per_slot, "n_ctx_train": world.TRAINED_CTX}
    model = {"id": state.settings.model, "object": "model", "owned_by": "llamacpp", "meta": meta}
    return await wire.reply(200, {"object": "list", "data": [model]}, keep)


async def _template(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    body = _body(request)
    prompt = world.chat_prompt(body["messages"], body.get("add_generation_prompt", True))
    return await wire.reply(200, {"prompt": prompt}, keep)


async def _chat(state: State, wire: Wire, request: Request, keep: bool) -> bool:
    state.asked += 1
    number, options = state.asked, state.options
    if options.crash_after and number > options.crash_after:
        os._exit(139)
    if _due(number, options.error_every):
        return await wire.reply(500, _error(500, "made to fail", "server_error"))
    if options.replay:
        await wire.send((world.RECORDED / "chat.http").read_bytes())
        return False
    body = _body(request)
    params = world.request_params(body, state.params, options.ignore)
    letters = string.ascii_letters + string.digits
    name = "chatcmpl-" + "".join(state.rng.choices(letters, k=32))
    job = world.plan(options, state.settings, body, params, name)
    async with state.gate:
        with _slot(state, job, number) as cached:
            return await _answer(state, wire, job, cached, number) and keep


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
    loop, fresh = asyncio.get_running_loop(), len(job.prompt) - cached
    start, count = loop.time(), max(1, len(job.answer))
    threads = state.settings.n_threads
    due = world.instants(state.options, threads, fresh, count, state.rng)
    told = _accounts(job, cached, due)
    if not job.stream:
        await asyncio.sleep(due[-1])
        return await _whole(state.options, wire, job, told, number)
    for place, instant in enumerate(due):
        if place == (count + 1) // 2 and await _disturbed(state.options, wire, number):
            return False
        await asyncio.sleep(start + instant - loop.time())
        await wire.send(said(job, place))
    await _finish(state.options, wire, job, told, number)
    return state.options.keep_alive


async def _disturbed(options: Options, wire: Wire, number: int) -> bool:
    """Do what goes wrong in the middle of an answer; return whether that ends it."""
    every, seconds = options.stall_every
    if _due(number, every):
        await asyncio.sleep(seconds)
    if _due(number, options.garbage_every):
        await wire.send(chunk(GARBAGE))
    return _due(number, options.cut_every)


def _due(number: int, every: float) -> bool:
    return every > 0 and number % every == 0


async def _whole(options: Options, wire: Wire, job: Job, told: world.Body, number: int) -> bool:
    every, seconds = options.stall_every
    if _due(number, every):
        await asyncio.sleep(seconds)
    if _due(number, options.cut_every):
        return False
    message = {"role": "assistant", "content": "".join(job.answer)}
    choice = {"finish_reason": job.finish, "index": 0, "message": message}
    document = {"choices": [choice], **named(job, "chat.completion"), **told}
    broken = GARBAGE.decode() if _due(number, options.garbage_every) else document
    return await wire.reply(200, broken)


async def _finish(options: Options, wire: Wire, job: Job, told: world.Body, number: int) -> None:
    if _due(number, options.no_done_every):
        return await wire.send(END)
    more = {} if job.usage else {"timings": told["timings"]}
    frames = frame(job, {"finish_reason": job.finish, "index": 0, "delta": {}}, **more)
    if job.usage:
        frames += frame(job, None, **told)
    return await wire.send(chunk(frames) + DONE + END)


