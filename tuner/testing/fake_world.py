"""The world inside FakeServer: settings in force, log lines, tokens, answers, time, frames.

Nothing here opens a socket. What the real server (llama.cpp in xllamacpp) says stands in
`recorded/`; the lines and frames below have the same form.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Body = Mapping[str, Any]

RECORDED = Path(__file__).parent / "recorded"
TRAINED_CTX = 8192
LAYERS, KV_WIDTH = 30, 192
BYTES_PER_VALUE = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
FLASH_SHOWN = {"auto": "auto", "on": "enabled", "off": "disabled"}
SYSTEM_PROMPT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
IGNORABLE = (
    "n_ctx n_parallel n_batch n_threads cache_type flash_attention "
    "temperature top_k top_p min_p repeat_penalty seed n_predict max_tokens"
).split()
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


def option(default: T, text: str) -> T:
    """Declare a field of `Options`; its text is the help of the command-line option."""
    declared: T = field(default=default, metadata={"help": text})
    return declared


@dataclass(frozen=True, slots=True)
class Options:
    """How the fake behaves; every field is a command-line option, 0 means never."""

    ttft_ms: float = option(20.0, "time to the first token of an empty prompt, at 2 threads")
    prompt_us_per_token: float = option(100.0, "time per prompt token that is not cached")
    itl_ms: float = option(2.0, "time between two tokens, at 2 threads")
    noise: float = option(0.0, "sigma of the lognormal noise on both times")
    load_s: float = option(0.0, "answer 503 'Loading model' for this many seconds")
    seed: int = option(0, "seed of noise and answers")
    answer: str = option(
        "task-api",
        "task-api (a JSON action, right more often the more example turns there are; prose "
        "without examples and response_format; above temperature 0.9 partly broken), prose, "
        "or a JSON file {part of the last user message: answer}",
    )
    ignore: tuple[str, ...] = option((), "keep this setting's own default; may be repeated")
    never_ready: bool = option(False, "load for ever: 503 and no 'listening' line")
    die_at_start: int = option(0, "print an error line and exit with this code")
    oom_at_start: bool = option(False, "fail to allocate the KV buffer and exit with 1")
    crash_after: int = option(0, "exit with 139 when one more chat request than this arrives")
    error_every: int = option(0, "answer every Nth chat request with 500")
    cut_every: int = option(0, "close the socket in the middle of every Nth answer")
    no_done_every: int = option(0, "end every Nth stream without finish frame and [DONE]")
    garbage_every: int = option(0, "put invalid JSON into every Nth answer")
    stall_every: tuple[float, ...] = option((0, 0), "stop for SECONDS inside every Nth answer")
    close_idle_after_ms: float = option(5000.0, "close a connection that is idle for this long")
    keep_alive: bool = option(False, "keep the connection after a streamed answer")
    split_writes: bool = option(False, "send in odd pieces that cut UTF-8 sequences")
    replay: bool = option(False, "answer each chat request with the bytes of recorded/chat.http")
    spawn_grandchild: bool = option(False, "start a sleeping process in a session of its own")
    ignore_sigterm: bool = option(False, "go on when told to stop")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an engine asks for: the JSON argument; the defaults are the server's own."""

    model: str = "/models/model.gguf"
    n_ctx: int = 4096
    n_parallel: int = 1
    n_batch: int = 2048
    n_threads: int = 2
    cache_type: str = "f16"
    flash_attention: str = "auto"
    port: int = 0

    @property
    def ctx_per_slot(self) -> int:
        """Return the context of one slot, padded as llama.cpp pads it."""
        return _padded(_padded(self.n_ctx) // self.n_parallel)


def settings_in_force(text: str, ignore: Sequence[str]) -> Settings:
    """Return the settings of the JSON argument, less those that are to be ignored."""
    asked = json.loads(text)
    known = {f.name for f in fields(Settings)} - set(ignore)
    return Settings(**{name: asked[name] for name in known & set(asked)})


def start_lines(settings: Settings) -> Iterator[str]:
    """Yield the log lines of a start from which an engine reads its settings back."""
    threads, slots, ctx = settings.n_threads, settings.n_parallel, settings.ctx_per_slot
    yield f"I cmn  common_param: system_info: n_threads = {threads} (n_threads_batch = {threads})"
    yield f"I srv    load_model: loading model '{settings.model}'"
    yield f"I print_info: n_ctx_train           = {TRAINED_CTX}"
    yield from _context_lines(settings)
    yield _cache_line(settings)
    if settings.flash_attention == "auto":
        yield "I resolve_fused_ops: Flash Attention enabled"
    yield f"I cmn          init: llama threadpool init, n_threads = {threads}"
    shape = f"n_slots = {slots}, n_ctx_slot = {ctx}, kv_unified = 'false'"
    yield f"I srv    load_model: initializing, {shape}"


def failure_lines(settings: Settings) -> Iterator[str]:
    """Yield what the server says last when no context could be made."""
    told = f"failed to create context with model '{settings.model}'"
    yield f"E cmn  common_init_: {told}"
    yield "I srv    operator(): operator(): cleaning up before exit..."
    yield "E srv          init: exiting due to model loading error"


def out_of_memory_lines(settings: Settings) -> Iterator[str]:
    """Yield what the server says when the KV cache does not fit into memory."""
    size = int(_cache_bytes(settings) * 2)
    yield f"E ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size {size}"
    tail = f"failed to allocate CPU buffer of size {size}"
    yield f"E ggml_backend_buft_alloc_buffer_n_default: {tail}"
    why = "failed to allocate buffer for kv cache"
    yield f"E llama_init_from_model: failed to initialize the context: {why}"
    yield from failure_lines(settings)


def _padded(tokens: int) -> int:
    return -(-tokens // 256) * 256


def _context_lines(settings: Settings) -> Iterator[str]:
    ctx = settings.ctx_per_slot
    total = ctx * settings.n_parallel
    batch = min(settings.n_batch, total)
    if total != _padded(settings.n_ctx):
        told = "n_ctx is not divisible by n_seq_max - rounding down to"
        yield f"W llama_context: {told} {total}"
    yield f"I llama_context: n_seq_max             = {settings.n_parallel}"
    yield f"I llama_context: n_ctx                 = {total}"
    yield f"I llama_context: n_ctx_seq             = {ctx}"
    yield f"I llama_context: n_batch               = {batch}"
    yield f"I llama_context: n_ubatch              = {batch}"
    yield f"I llama_context: flash_attn            = {FLASH_SHOWN[settings.flash_attention]}"


def _cache_bytes(settings: Settings) -> float:
    cells = settings.ctx_per_slot * settings.n_parallel
    return cells * LAYERS * KV_WIDTH * BYTES_PER_VALUE[settings.cache_type]


def _cache_line(settings: Settings) -> str:
    one, kind, seqs = _cache_bytes(settings) / 2**20, settings.cache_type, settings.n_parallel
    shape = f"{settings.ctx_per_slot:6d} cells, {LAYERS:3d} layers, {seqs:2d}/{seqs} seqs"
    parts = f"K ({kind}): {one:7.2f} MiB, V ({kind}): {one:7.2f} MiB"
    return f"I llama_kv_cache: size = {2 * one:7.2f} MiB ({shape}), {parts}"


def default_params() -> dict[str, Any]:
    """Return the generation settings that hold when a request says nothing."""
    props = json.loads((RECORDED / "props.json").read_text())
    params: dict[str, Any] = props["default_generation_settings"]["params"]
    return params


def request_params(body: Body, defaults: Body, ignore: Sequence[str]) -> dict[str, Any]:
    """Return the generation settings in force for a request, as /slots shows them."""
    taken = {k: _checked(k, body[k], v) for k, v in defaults.items() if body.get(k) is not None}
    limit = body.get("n_predict", body.get("max_tokens", -1))
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
    """Return a text in pieces of about four characters; joined they are the text."""
    return tuple(re.findall(r"\s*\S{1,4}|\s+", text))


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
    words = set(re.findall(r"\w+", asked.lower()))
    action = next((a for a, keys in ACTIONS.items() if words & set(keys.split())), "list_tasks")
    task = re.search(r'["“](.+?)["”]|:\s*(.+?)(?:\s+by\s|[.?!]?$)', asked)
    due = re.search(r"\bby\s+(.+?)[.?!]?$", asked)
    named = {"task": task and (task[1] or task[2]), "due": due and due[1]}
    return _call(action, **{name: value for name, value in named.items() if value})


def _call(action: str, **params: str) -> dict[str, Any]:
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
    created: int = field(default_factory=lambda: int(time.time()))


def plan(options: Options, settings: Settings, body: Body, params: Body, id: str) -> Job:
    """Return the job for a chat request; raise BadRequest where it cannot be done."""
    prompt = tokens(chat_prompt(body["messages"]))
    room = settings.ctx_per_slot - len(prompt)
    if room <= 0:
        raise _too_long(len(prompt), settings.ctx_per_slot)
    said = tokens(answer(options, body, params["temperature"]))
    limit = min(room, max(1, params["n_predict"])) if params["n_predict"] >= 0 else room
    finish = "length" if len(said) > limit else "stop"
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    stream = bool(body.get("stream"))
    return Job(id, settings.model, prompt, said[:limit], finish, params, stream, usage)


def _too_long(asked: int, n_ctx: int) -> BadRequest:
    told = f"request ({asked} tokens) exceeds the available context size ({n_ctx} tokens)"
    kind = "exceed_context_size_error"
    return BadRequest(f"{told}, try increasing it", kind, n_prompt_tokens=asked, n_ctx=n_ctx)
