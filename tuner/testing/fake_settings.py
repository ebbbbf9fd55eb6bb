"""How FakeServer was started: its options, the settings in force and the log of its start.

The log lines have the form of `recorded/startup.log`, the failures that of llama.cpp too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from tuner.testing.options import option

BORN = time.monotonic()
TRAINED_CTX = 8192
LAYERS, KV_WIDTH = 30, 192
BYTES_PER_VALUE = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
FLASH_SHOWN = {"auto": "auto", "on": "enabled", "off": "disabled"}
IGNORABLE = (
    *("n_ctx", "n_parallel", "n_batch", "n_threads", "cache_type", "flash_attention"),
    *("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed"),
    *("n_predict", "max_tokens"),
)

WAYS = {
    "no-counts": "tell no usage and no timings",
    "zero-counts": "tell counts of 0 and no timings",
    "bundled": "put four tokens into each chunk",
    "reasoning": "say the first half as delta.reasoning",
    "parts": "give content as a list of parts",
    "no-done": "end the body without [DONE]",
    "one-line-end": "end [DONE] and the body with one line end",
    "stays-open": "leave the body open after [DONE]",
}


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
    ignore: tuple[str, ...] = option(
        (),
        f"keep the default of this setting: {', '.join(IGNORABLE)}",
        action="append",
        choices=IGNORABLE,
        metavar="KNOB",
    )
    never_ready: bool = option(False, "load for ever: 503 and no 'listening' line")
    die_at_start: int = option(0, "print an error line and exit with this code")
    oom_at_start: bool = option(False, "fail to allocate the KV buffer and exit with 1")
    crash_after: int = option(0, "exit with 139 when one more chat request than this arrives")
    error_every: int = option(0, "answer every Nth chat request with 500")
    cut_every: int = option(0, "close the socket in the middle of every Nth answer")
    no_done_every: int = option(0, "end every Nth stream without finish frame and [DONE]")
    garbage_every: int = option(0, "put invalid JSON into every Nth answer")
    endless: bool = option(False, "say the last token of each stream again and again, for ever")
    stall_every: tuple[float, ...] = option(
        (0, 0),
        "stop for SECONDS inside every Nth answer",
        nargs=2,
        type=float,
        metavar=("N", "SECONDS"),
    )
    stream: tuple[str, ...] = option(
        (),
        "stream otherwise: " + "; ".join(f"{way}: {what}" for way, what in WAYS.items()),
        action="append",
        choices=list(WAYS),
        metavar="WAY",
    )
    close_idle_after_ms: float = option(5000.0, "close a connection that is idle for this long")
    keep_alive: bool = option(False, "keep the connection after a streamed answer")
    split_writes: bool = option(False, "send in odd pieces that cut UTF-8 sequences")
    replay: bool = option(False, "answer each chat request with the bytes of recorded/chat.http")
    api_key: str = option("", "answer 401 to requests without this key")
    key_header: str = option("authorization", "the header that holds the key")
    base_path: str = option("", "serve below this path in place of /v1")
    query: str = option("", "answer 404 to requests without this query")
    serves: tuple[str, ...] = option(
        (), "list this model in place of the one that is served", action="append", metavar="NAME"
    )
    models: str = option(
        "",
        "GET /models gives a bare list, null, a page, or is not there",
        choices=("list", "null", "page", "none"),
    )
    refuse_field: tuple[str, ...] = option(
        (), "answer 400 to chat requests that have this field", action="append", metavar="FIELD"
    )
    instead: str = option(
        "",
        "answer chat requests so: redirect, a page, an error in a 200, not streamed, a detail "
        "(422), plain text (429), a page of a proxy (502)",
        choices=("redirect", "page", "error", "unstreamed", "detail", "text", "bad-gateway"),
    )
    build: str = option("fake", "tell that this is the server's version")
    host: str = option("127.0.0.1", "listen on this address")
    certificate: str = option("", "speak TLS with the key and certificate in this PEM file")
    record: str = option("", "write a line of JSON into this file for each request")
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
    def ctx_per_sequence(self) -> int:
        """Return the cache cells of one sequence, padded as llama.cpp pads them."""
        return _padded(_padded(self.n_ctx) // self.n_parallel)

    @property
    def ctx_per_slot(self) -> int:
        """Return the context that a request can use: no more than the model was trained on."""
        return min(self.ctx_per_sequence, TRAINED_CTX)

    @property
    def flash(self) -> str:
        """Return the flash attention setting as shown; a quantized cache turns auto on."""
        needed = self.flash_attention == "auto" and self.cache_type != "f16"
        return "enabled" if needed else FLASH_SHOWN[self.flash_attention]


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
    if settings.flash != FLASH_SHOWN[settings.flash_attention]:
        told = "enabling flash_attn since it is required for quantized V cache"
        yield f"I llama_init_from_model: {told}"
    yield from _context_lines(settings)
    yield _cache_line(settings)
    if settings.flash == "auto":
        yield "I resolve_fused_ops: Flash Attention enabled"
    yield f"I cmn          init: llama threadpool init, n_threads = {threads}"
    shape = f"n_slots = {slots}, n_ctx_slot = {ctx}, kv_unified = 'false'"
    yield f"I srv    load_model: initializing, {shape}"


def failure(options: Options, settings: Settings) -> tuple[int, list[str]]:
    """Return the exit code and last lines of a start that fails; 0 where it does not."""
    if options.oom_at_start:
        return 1, [*_out_of_memory_lines(settings), *_failure_lines(settings)]
    if settings.flash == "disabled" and settings.cache_type != "f16":
        told = "quantized V cache requires flash_attn to be enabled"
        return 1, [f"E llama_init_from_model: {told}", *_failure_lines(settings)]
    lines = list(_failure_lines(settings)) if options.die_at_start else []
    return options.die_at_start, lines


def _failure_lines(settings: Settings) -> Iterator[str]:
    told = f"failed to create context with model '{settings.model}'"
    yield f"E cmn  common_init_: {told}"
    yield "I srv    operator(): operator(): cleaning up before exit..."
    yield "E srv          init: exiting due to model loading error"


def _out_of_memory_lines(settings: Settings) -> Iterator[str]:
    size = int(_cache_bytes(settings) * 2)
    yield f"E ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size {size}"
    tail = f"failed to allocate CPU buffer of size {size}"
    yield f"E ggml_backend_buft_alloc_buffer_n_default: {tail}"
    why = "failed to allocate buffer for kv cache"
    yield f"E llama_init_from_model: failed to initialize the context: {why}"


def _padded(tokens: int) -> int:
    return -(-tokens // 256) * 256


def _context_lines(settings: Settings) -> Iterator[str]:
    ctx = settings.ctx_per_sequence
    total = ctx * settings.n_parallel
    batch = min(settings.n_batch, settings.n_ctx)
    if total != _padded(settings.n_ctx):
        told = "n_ctx is not divisible by n_seq_max - rounding down to"
        yield f"W llama_context: {told} {total}"
    yield f"I llama_context: n_seq_max             = {settings.n_parallel}"
    yield f"I llama_context: n_ctx                 = {total}"
    yield f"I llama_context: n_ctx_seq             = {ctx}"
    yield f"I llama_context: n_batch               = {batch}"
    yield f"I llama_context: n_ubatch              = {batch}"
    yield f"I llama_context: flash_attn            = {settings.flash}"


def _cache_bytes(settings: Settings) -> float:
    cells = settings.ctx_per_sequence * settings.n_parallel
    return cells * LAYERS * KV_WIDTH * BYTES_PER_VALUE[settings.cache_type]


def _cache_line(settings: Settings) -> str:
    one, kind, seqs = _cache_bytes(settings) / 2**20, settings.cache_type, settings.n_parallel
    shape = f"{settings.ctx_per_sequence:6d} cells, {LAYERS:3d} layers, {seqs:2d}/{seqs} seqs"
    parts = f"K ({kind}): {one:7.2f} MiB, V ({kind}): {one:7.2f} MiB"
    return f"I llama_kv_cache: size = {2 * one:7.2f} MiB ({shape}), {parts}"


def log(line: str) -> None:
    """Print one log line with a time stamp, as the server does."""
    seconds, micros = divmod(int((time.monotonic() - BORN) * 1e6), 1_000_000)
    stamp = f"{seconds // 60}.{seconds % 60:02d}.{micros // 1000:03d}.{micros % 1000:03d}"
    print(stamp, line, file=sys.stderr, flush=True)
