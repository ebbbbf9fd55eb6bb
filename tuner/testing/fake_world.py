"""The world inside FakeServer: what a request asks, what is answered, and when.

Nothing here opens a socket or sleeps: requests become jobs, jobs become tokens with instants.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.testing.fake_settings import Options, Settings

Body = Mapping[str, Any]

RECORDED = Path(__file__).parent / "recorded"
SYSTEM_PROMPT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
ACTIONS = {
    "delete_task": "delete remove drop cancel",
    "complete_task": "complete completed done finish finished tick",
    "update_task": "update change move rename reschedule postpone",
    "create_task": "create add new remind schedule",
}


class BadRequest(Exception):
    """A request that the server refuses: the `error` object of the 400 it sends."""

    def __init__(self, message: str, kind: str = "invalid_request_error", **more: int) -> None:
        super().__init__(message)
        self.error = {"code": 400, "message": message, "type": kind, **more}


def default_params() -> dict[str, Any]:
    """Return the generation settings that hold when a request says nothing."""
    props = json.loads((RECORDED / "props.json").read_text())
    params: dict[str, Any] = props["default_generation_settings"]["params"]
    return params


def request_params(body: Body, defaults: Body, ignore: Sequence[str]) -> dict[str, Any]:
    """Return the generation settings in force for a request, as /slots shows them."""
    taken = {k: _checked(k, body[k], v) for k, v in defaults.items() if body.get(k) is not None}
    limits = (body.get(name) for name in ("n_predict", "max_tokens", "max_completion_tokens"))
    limit = next((given for given in limits if given is not None), -1)
    taken |= {"max_tokens": limit, "n_predict": limit}
    ignored = set(ignore) | ({"max_tokens", "n_predict"} if "n_predict" in ignore else set())
    kept = {k: v for k, v in taken.items() if k not in ignored}
    prompt = {"generation_prompt": "<|im_start|>assistant\n", "chat_format": "peg-native"}
    return {**defaults, **prompt, "reasoning_format": "deepseek", **kept}


def _checked(key: str, value: Any, default: Any) -> Any:
    """Return a value as the server holds it: numbers only, fractions in 32 bits."""
    numeric = isinstance(default, int | float) and not isinstance(default, bool)
    if numeric and not isinstance(value, int | float):
        told = "[json.exception.type_error.302] type must be number, but is string"
        raise BadRequest(f"Field '{key}': {told}")
    return struct.unpack("f", struct.pack("f", value))[0] if isinstance(default, float) else value


def chat_prompt(messages: Sequence[Body], add_generation_prompt: bool = True) -> str:
    """Return the text that SmolLM2's ChatML template makes of messages."""
    turns = [(m["role"], content(m)) for m in messages]
    if turns and turns[0][0] != "system":
        turns.insert(0, ("system", SYSTEM_PROMPT))
    text = "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in turns)
    return text + ("<|im_start|>assistant\n" if add_generation_prompt else "")


def content(message: Body) -> str:
    """Return the text of a message, which may be given in parts."""
    said = message.get("content") or ""
    return said if isinstance(said, str) else "".join(p.get("text", "") for p in said)


def tokens(text: str) -> tuple[str, ...]:
    """Return a text in control tokens and pieces of some four characters; joined they are it."""
    return tuple(re.findall(r"<\|\w+\|>|\s*(?:(?!<\|\w+\|>)\S){1,4}|\s+", text))


def common_prefix(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many leading tokens two prompts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def chance_of_right(shots: int) -> float:
    """Return how likely the built-in rule finds the right action with so many examples."""
    return 1.0 - 0.65 * 0.55**shots


def answer(options: Options, body: Body, temperature: float) -> str:
    """Return what the fake model says; the same request gets the same answer."""
    asked = next((content(m) for m in reversed(body["messages"]) if m["role"] == "user"), "")
    if options.answer not in ("task-api", "prose"):
        return _from_file(Path(options.answer), asked)
    shots = sum(m["role"] == "assistant" for m in body["messages"])
    if options.answer == "prose" or not (shots or body.get("response_format")):
        return f"Sure — I would be glad to help you with “{asked}”, let me think about it."
    lucky = _dice(options.seed, "action", asked) < chance_of_right(shots)
    said = json.dumps(_task_call(asked) if lucky else _call("list_tasks"), ensure_ascii=False)
    broken = temperature > 0.9 and _dice(options.seed, "broken", asked) < 0.3
    return said[: len(said) // 2] if broken else said


def _from_file(path: Path, asked: str) -> str:
    answers: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found = next((said for part, said in answers.items() if part in asked), "")
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _task_call(asked: str) -> dict[str, Any]:
    """Return the right command of the packaged task-api study, as its schema has it."""
    words = set(re.findall(r"\w+", asked.lower()))
    action = next((a for a, keys in ACTIONS.items() if words & set(keys.split())), "list_tasks")
    number = re.search(r"\d+", asked)
    named = {"id": int(number[0]) if number else 0}
    due = re.search(r"\bby\s+(\w{1,12})", asked)
    if action == "create_task":
        return _call(action, title=asked[:40], **({"due": due[1]} if due else {}))
    if action == "list_tasks":
        return _call(action)
    return _call(action, **named, **({"due": "friday"} if action == "update_task" else {}))


def _call(action: str, **params: str | int) -> dict[str, Any]:
    return {"action": action, "params": params, "success": True}


def _dice(*what: object) -> float:
    digest = hashlib.blake2b(repr(what).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def instants(
    options: Options, threads: int, fresh: int, count: int, rng: random.Random
) -> list[float]:
    """Return when each of `count` tokens is due, in seconds from the start."""
    first = options.ttft_ms + fresh * options.prompt_us_per_token / 1000.0
    gaps = [first] + [options.itl_ms] * (count - 1)
    passed, due = 0.0, []
    for gap in gaps:
        passed += gap * 2.0 / threads / 1000.0 * rng.lognormvariate(0.0, options.noise)
        due.append(passed)
    return due


@dataclass(frozen=True, slots=True)
class Job:
    """One chat request, planned: what is said, in which pieces, and how it ends."""

    id: str
    model: str
    prompt: tuple[str, ...]
    answer: tuple[str, ...]
    finish: str
    params: Mapping[str, Any]
    stream: bool
    usage: bool
    ways: tuple[str, ...] = ()
    created: int = field(default_factory=lambda: int(time.time()))


def plan(options: Options, settings: Settings, body: Body, params: Body, id: str) -> Job:
    """Return the job for a chat request; raise BadRequest where it cannot be done."""
    prompt = tokens(chat_prompt(body["messages"]))
    room = settings.ctx_per_slot - len(prompt)
    if room <= 0:
        raise _too_long(len(prompt), settings.ctx_per_slot)
    said = tokens(answer(options, body, params["temperature"]))
    limit = min(room, max(1, params["n_predict"])) if params["n_predict"] >= 0 else room
    if params.get("ignore_eos"):
        said = said * (limit // len(said) + 1)
    finish = "length" if len(said) > limit else "stop"
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    stream, ways = bool(body.get("stream")), tuple(options.stream)
    return Job(id, settings.model, prompt, said[:limit], finish, params, stream, usage, ways)


def _too_long(asked: int, n_ctx: int) -> BadRequest:
    told = f"request ({asked} tokens) exceeds the available context size ({n_ctx} tokens)"
    kind = "exceed_context_size_error"
    return BadRequest(f"{told}, try increasing it", kind, n_prompt_tokens=asked, n_ctx=n_ctx)


def accounts(job: Job, cached: int, due: Sequence[float]) -> dict[str, Any]:
    """Return usage and timings of a job whose tokens came at `due`."""
    asked, said = len(job.prompt), len(job.answer)
    usage = {"completion_tokens": said, "prompt_tokens": asked, "total_tokens": said + asked}
    parts = {"cache_n": cached, **_rates("prompt", asked - cached, asked - cached, due[0])}
    spoken = _rates("predicted", said, max(1, said - 1), due[-1] - due[0])
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"usage": {**usage, **details}, "timings": {**parts, **spoken}}


def _rates(name: str, count: int, steps: int, seconds: float) -> dict[str, float]:
    ms = seconds * 1000.0
    each = {f"{name}_n": count, f"{name}_ms": round(ms, 3), f"{name}_per_token_ms": ms / steps}
    return {**each, f"{name}_per_second": steps / seconds if seconds else 0.0}


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
        share = common_prefix(known, prompt) / max(1, len(prompt))
        return share if share > 0.1 else 0.0

    def shown(self, settings: Settings) -> dict[str, Any]:
        """Return what /slots says about this slot."""
        seen: dict[str, Any] = {"id": self.id, "n_ctx": settings.ctx_per_slot, "speculative": False}
        seen["is_processing"] = self.busy
        if self.job is None:
            return seen
        seen |= {"id_task": self.task, "n_prompt_tokens": len(self.job.prompt)}
        seen |= {"n_prompt_tokens_processed": 0, "n_prompt_tokens_cache": 0}
        following = {"has_next_token": self.busy, "has_new_line": False, "n_remain": -1}
        return {**seen, "params": self.job.params, "next_token": [{**following, "n_decoded": 0}]}


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with one answer."""

    stall_s: float
    garbage: bool
    cut: bool
    no_done: bool

    @classmethod
    def of(cls, options: Options, number: int) -> Faults:
        """Return the faults of the chat request with this number."""
        every, seconds = options.stall_every
        return cls(
            stall_s=seconds if due(number, every) else 0.0,
            garbage=due(number, options.garbage_every),
            cut=due(number, options.cut_every),
            no_done=due(number, options.no_done_every),
        )


def due(number: int, every: float) -> bool:
    """Return whether something that comes every so often comes with this number."""
    return every > 0 and number % every == 0
