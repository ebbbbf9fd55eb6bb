"""Why a vLLM server did not start, from its log: a type, one sentence, the next step.

The texts are those that vLLM 0.19 to 0.33 raise (config/{model,scheduler,cache,vllm}.py,
v1/worker/{utils,gpu_model_runner,cpu_worker}.py, v1/core/kv_cache_utils.py, model_executor/
model_loader/), huggingface_hub's, safetensors' and PyTorch's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.engines.vllm.starting.log_lines import SERVING, Line, Raised, raised, read_lines
from tuner.spec.errors import StartReason

LONGEST_CAUSE = 300


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of failure: how other rooms sort it, what it means, what to do next.

    `any_candidate` says that every other candidate of the study would fail likewise.
    """

    name: str
    reason: StartReason
    means: str
    next_step: str
    any_candidate: bool = False


KINDS: Mapping[str, Kind] = {k.name: k for k in (
    Kind("no_vllm", "crashed", "this Python has no vLLM",
         "name one that has with --vllm-python, or install it there", True),
    Kind("port", "wrong_server", "another program has the port", "stop that one", True),
    Kind("gated", "crashed", "the model is gated or not to be had with this token",
         "accept its terms on its page and set HF_TOKEN", True),
    Kind("unknown_model", "crashed", "there is no such model", "name a model's folder", True),
    Kind("unreachable", "crashed", "the model is not here and cannot be fetched",
         "fetch it first and name its folder", True),
    Kind("unsupported_model", "crashed", "this vLLM does not know the architecture",
         "upgrade vLLM, or take another model", True),
    Kind("weights", "crashed", "weights are missing or broken", "fetch the model anew", True),
    Kind("tokenizer", "crashed", "the tokenizer cannot be loaded", "fetch the model anew", True),
    Kind("compiler", "crashed", "torch.compile has no compiler for C++",
         "install g++, or set enforce_eager", True),
    Kind("taken_memory", "out_of_memory", "other programs hold memory of the GPU",
         "stop them, or lower gpu_memory_utilization"),
    Kind("cpu_memory", "out_of_memory", "less memory is free than was asked for",
         "lower gpu_memory_utilization, or set kv_cache_memory_bytes to what is free"),
    Kind("no_cache", "out_of_memory", "nothing is left for the KV cache",
         "raise gpu_memory_utilization, or lower max_num_batched_tokens and max_num_seqs"),
    Kind("short_cache", "out_of_memory", "the KV cache cannot hold one request of max_model_len",
         "lower max_model_len, or raise gpu_memory_utilization"),
    Kind("loading_memory", "out_of_memory", "the weights do not fit into memory",
         "take a smaller or quantized model, or a larger tensor_parallel_size"),
    Kind("profiling_memory", "out_of_memory", "the profiling run does not fit into memory",
         "lower max_num_batched_tokens or max_num_seqs"),
    Kind("sampler_memory", "out_of_memory", "sampling for all requests does not fit into memory",
         "lower max_num_seqs or gpu_memory_utilization"),
    Kind("cache_memory", "out_of_memory", "the KV cache cannot be allocated",
         "lower gpu_memory_utilization or kv_cache_memory_bytes"),
    Kind("graph_memory", "out_of_memory", "CUDA graphs do not fit beside the KV cache",
         "lower gpu_memory_utilization or max_cudagraph_capture_size"),
    Kind("memory", "out_of_memory", "memory ran out", "lower gpu_memory_utilization"),
    Kind("killed", "out_of_memory", "a process was killed, as the kernel does when memory runs out",
         "lower gpu_memory_utilization or kv_cache_memory_bytes"),
    Kind("long_requests", "bad_flag", "max_model_len is above what the model allows",
         "lower max_model_len"),
    Kind("kv_dtype", "bad_flag", "this type of KV cache does not work here",
         "take another kv_cache_dtype"),
    Kind("dtype", "bad_flag", "this dtype does not work here", "take another dtype"),
    Kind("quantization", "bad_flag", "this quantization does not work here",
         "leave quantization to the model, or take another"),
    Kind("parallel", "bad_flag", "the model cannot be split so over the GPUs that there are",
         "take another tensor_parallel_size or data_parallel_size"),
    Kind("bad_flag", "bad_flag", "a flag is not one of this vLLM", "correct or leave out the flag"),
    Kind("bad_setting", "bad_flag", "settings contradict each other or are out of range",
         "correct them"),
    Kind("crashed", "crashed", "the server ended", "read the end of its log"),
)}  # fmt: skip

_RULES: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for name, pattern in (
        ("no_vllm", r"No module named '?vllm(?!\.)"),
        ("port", r"Address already in use|\[Errno 98\]"),
        (
            "unknown_model",
            r"Repo id must be in the form|not a valid model identifier|404 Client Error"
            r"|Repository Not Found|Invalid repository ID or local directory",
        ),
        ("gated", r"(401|403) Client Error|gated repo|Access to model .* is restricted"),
        ("unreachable", r"couldn't connect to 'http|cached snapshot folder|trying to locate the f"),
        (
            "unsupported_model",
            r"architectures .* are not supported|not recognize this architecture"
            r"|No model architectures are specified",
        ),
        (
            "weights",
            r"Cannot find any model weights|Weight files referenced in index but missing"
            r"|deserializing header|weights were not initialized|HeaderTooLarge|InvalidHeader",
        ),
        ("tokenizer", r"load tokenizer|instantiate the backend tokenizer|Tokenizer class"),
        ("compiler", r"(C\+\+|C|Cxx) ?compiler"),
        ("taken_memory", r"Free memory on device .* is less than"),
        ("cpu_memory", r"Available memory on node .* is less than|worker already uses"),
        ("no_cache", r"No available memory for the cache blocks|Cannot auto-fit max_model_len"),
        ("short_cache", r"To serve at least one request with the model's max seq len"),
        ("sampler_memory", r"out of memory occurred when warming up"),
        (
            "memory",
            r"out of memory|Failed to load model - not enough GPU memory|bad_alloc"
            r"|Unable to allocate|Cannot allocate memory|can't allocate memory",
        ),
        ("killed", r"died unexpectedly \(exit code: -9\)"),
        ("long_requests", r"is greater than the derived max_model_len"),
        (
            "kv_dtype",
            r"kv_cache_dtype not supported|argument --kv-cache-dtype|^cache_dtype\n"
            r"|FP8 KV cache (requires|on CPU)|kv cache dtype",
        ),
        (
            "quantization",
            r"quantization method|Cannot find the config file for|argument --quantization",
        ),
        (
            "dtype",
            r"Unknown dtype|not support float16|only supported on GPUs with compute"
            r"|argument --dtype|^dtype[.\n]",
        ),
        (
            "parallel",
            r"divisible by|local rank \d+ is out of bounds|World size .* is larger than",
        ),
        ("bad_flag", r"^(unrecognized arguments|argument -|the following arguments|one of the)"),
        (
            "bad_setting",
            r"validation errors? for|requires|cannot|must|should be|not support|only support"
            r"|incompatible|(greater|smaller|larger|less) than",
        ),
    )
)

_CASCADE = re.compile(
    r"WorkerProc initialization failed|Engine core initialization failed"
    r"|Frontend process failed|Worker failed with error|^EngineCore encountered an issue"
)
_WRAPPED = re.compile(r"Worker failed with error '(.*)', please check", re.DOTALL)
_PYDANTIC = re.compile(r"(?:Value error|Assertion failed), (.*?)(?= \[type=|\Z)", re.DOTALL)
_FIELD = re.compile(
    r"^([\w.]+)\S*\n\s+(Input should .*?) \[type=\w+, input_value=(.*?), input_type=", re.MULTILINE
)
_LONGEST = re.compile(r"estimated maximum model length is (\d+)")
_DERIVED = re.compile(r"derived max_model_len \(\w+=(\d+)(?:\.\d+)? or model_max_length=(\d+|None)")

_SENTENCE = re.compile(r"(.{20,}?)\. (?=[A-Z])")

_STAGES = (
    (re.compile("Starting to load model"), "loading_memory"),
    (re.compile("Model loading took|Loading weights took"), "profiling_memory"),
    (re.compile("Available KV cache memory|GiB for KV cache|KV cache size:"), "cache_memory"),
    (re.compile("Capturing CUDA graphs"), "graph_memory"),
)
"""What a log says as a stage begins, and what running out of memory in it is called."""

_SETTINGS = ("ValidationError", "ValueError", "NotImplementedError", "AssertionError")
"""Exceptions by which settings are refused; others with such words are crashes."""


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a server did not start.

    `longest` is the greatest max_model_len that would do, where the log says so: by the room in the
    cache, or by the model.
    """

    kind: Kind
    cause: str
    longest: int | None = None

    @property
    def reason(self) -> StartReason:
        """Return how other rooms sort it."""
        return self.kind.reason

    @property
    def message(self) -> str:
        """Return one sentence: what it means, the log's own words, the next step."""
        step = self.kind.next_step
        if self.longest is not None:
            step = f"take a max_model_len of at most {self.longest}"
        cause = f": {self.cause}" if self.cause else ""
        return f"{self.kind.means}{cause}; {step}"


def read_failure(log: str, exit_code: int | None = None) -> StartFailure | None:
    """Return why a start failed from its whole log; None where the log shows no failure.

    The first of several processes to fail says why, so the end of a log does not suffice.
    `exit_code` is the server's, negative for a signal, None where it is not known.
    """
    lines = read_lines(log)
    if any(line.text.endswith(SERVING) for line in lines):
        return None
    told = [_unwrapped(r) for r in raised(lines)]
    causes = [r for r in told if not _CASCADE.search(r.message)]
    for name, pattern in _RULES:
        for found in causes:
            if name == "bad_setting" and found.kind not in _SETTINGS:
                continue
            if pattern.search(found.message):
                return _failure(name, found, lines)
    if exit_code == -9 or any("': -9" in r.message for r in told):
        return StartFailure(KINDS["killed"], "")
    if causes or told:
        last = (causes or told)[-1]
        return StartFailure(KINDS["crashed"], _shown(f"{last.kind}: {last.message}"))
    return StartFailure(KINDS["crashed"], "") if exit_code else None


def _unwrapped(found: Raised) -> Raised:
    inner = _WRAPPED.search(found.message)
    return Raised(found.kind, inner[1]) if inner else found


def _failure(name: str, found: Raised, lines: Sequence[Line]) -> StartFailure:
    if name == "memory":
        name = _stage(lines)
    return StartFailure(KINDS[name], _cause(found.message), _longest(found.message))


def _stage(lines: Sequence[Line]) -> str:
    """Return what running out of memory is called after the stage that had begun last."""
    memory = dict(_RULES)["memory"]
    name = "memory"
    for line in lines:
        name = next((stage for begins, stage in _STAGES if begins.search(line.text)), name)
        if memory.search(line.text):
            break
    return name


def _longest(message: str) -> int | None:
    if found := _LONGEST.search(message):
        return int(found[1])
    if found := _DERIVED.search(message):
        return max(int(n) for n in found.groups() if n.isdigit())
    return None


def _cause(message: str) -> str:
    """Return the words of a log that tell the cause, without pydantic's frame."""
    if found := _PYDANTIC.search(message):
        return _shown(found[1])
    if found := _FIELD.search(message):
        return _shown(f"{found[1]}: {found[2]}, found {found[3]}")
    return _shown(message)


def _shown(text: str) -> str:
    """Return the first sentence of a text on one line, of bearable length."""
    line = " ".join(text.split()).rstrip(".")
    if first := _SENTENCE.match(line):
        line = first[1]
    return line if len(line) <= LONGEST_CAUSE else line[: LONGEST_CAUSE - 4].rstrip() + " ..."
