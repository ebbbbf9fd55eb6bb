"""What to write instead of flags, variables and keys that vLLM took out, each with its source.

Sources are pull requests and issues of github.com/vllm-project/vllm. When each went is in
`releases.json`, which was read from the wheels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_PREFILLS = (
    "leave it out: the scheduler has no such limit; --long-prefill-token-threshold bounds what a "
    "long prompt takes of a step"
)
_STEPS = "leave it out: --async-scheduling hides the scheduler's time now"
_GUIDED = "write --structured-outputs-config"
_BALANCING = "write --eplb-config"
_ATTENTION = "write --attention-config"
_NO_PROMPT_ADAPTERS = "leave it out: prompt adapters are gone"
_MOE = "leave it out, or choose the kernels with --moe-backend"

_BY_SOURCE: Mapping[str, Mapping[str, str]] = {
    "vllm#5944": {"--worker-use-ray": "write --distributed-executor-backend ray"},
    "vllm#9864": {"--max-context-len-to-capture": "write --max-cudagraph-capture-size"},
    "vllm#13492": {"--use-v2-block-manager": "leave it out: there is one block manager"},
    "vllm#15466": {
        "--speculative-model": 'write --speculative-config \'{"model": ..., '
        '"num_speculative_tokens": ...}\', or --spec-model with --spec-tokens',
        "--num-speculative-tokens": "write --spec-tokens",
        "--speculative-draft-tensor-parallel-size": "write "
        "--speculative-config.draft_tensor_parallel_size",
        "--speculative-max-model-len": "write --speculative-config.max_model_len",
        "--ngram-prompt-lookup-max": "write --spec-method ngram with "
        "--speculative-config.prompt_lookup_max",
        "--ngram-prompt-lookup-min": "write --spec-method ngram with "
        "--speculative-config.prompt_lookup_min",
    },
    "vllm#17452": {"--enable-reasoning": "leave it out: --reasoning-parser alone switches it on"},
    "vllm#20283": {
        "CompilationConfig.full_cuda_graph": "write cudagraph_mode FULL",
        "CompilationConfig.use_cudagraph": "write cudagraph_mode",
        "CompilationConfig.use_inductor": "write backend: inductor or eager",
        "CompilationConfig.level": "write mode",
    },
    "vllm#20562": {
        "--num-redundant-experts": f"{_BALANCING}.num_redundant_experts",
        "--eplb-window-size": f"{_BALANCING}.window_size",
        "--eplb-step-interval": f"{_BALANCING}.step_interval",
        "--eplb-log-balancedness": f"{_BALANCING}.log_balancedness true",
    },
    "vllm#20588": {
        "--enable-prompt-adapter": _NO_PROMPT_ADAPTERS,
        "--max-prompt-adapters": _NO_PROMPT_ADAPTERS,
        "--max-prompt-adapter-token": _NO_PROMPT_ADAPTERS,
        "--prompt-adapters": _NO_PROMPT_ADAPTERS,
    },
    "vllm#21349": {
        "--device": "leave it out: the wheel decides; CUDA_VISIBLE_DEVICES or --device-ids choose "
        "among GPUs",
    },
    "vllm#21470": {
        "--task": "write --runner pooling for embedding, reranking and reward models, with "
        "--convert embed or classify for a generative one; leave it out for generate",
    },
    "vllm#22138": {"--num-scheduler-steps": _STEPS, "--multi-step-stream-outputs": _STEPS},
    "vllm#22772": {
        "--guided-decoding-backend": f"{_GUIDED}.backend",
        "--guided-decoding-disable-any-whitespace": f"{_GUIDED}.disable_any_whitespace true",
        "--guided-decoding-disable-additional-properties": f"{_GUIDED}"
        ".disable_additional_properties true",
        "--guided-decoding-disable-fallback": "leave it out: nothing falls back where "
        "--structured-outputs-config.backend names a backend",
    },
    "vllm#25334": {
        "--disable-async-output-proc": "leave it out",
        "--preemption-mode": "leave it out: what is preempted is always recomputed",
        "--scheduler-delay-factor": "leave it out",
    },
    "vllm#25543": {"--max-seq-len-to-capture": "write --max-cudagraph-capture-size"},
    "vllm#26016": {
        "--cuda-graph-sizes": "write --cudagraph-capture-sizes",
        "CompilationConfig.max_capture_size": "write max_cudagraph_capture_size",
    },
    "vllm#26315": {
        "VLLM_ATTENTION_BACKEND": "write --attention-backend",
        "VLLM_FLASH_ATTN_VERSION": f"{_ATTENTION}.flash_attn_version",
        "VLLM_FLASH_ATTN_MAX_NUM_SPLITS_FOR_CUDA_GRAPH": f"{_ATTENTION}"
        ".flash_attn_max_num_splits_for_cuda_graph",
        "VLLM_USE_TRTLLM_ATTENTION": f"{_ATTENTION}.use_trtllm_attention",
        "VLLM_FLASHINFER_DISABLE_Q_QUANTIZATION": f"{_ATTENTION}.disable_flashinfer_q_quantization",
        "VLLM_USE_CUDNN_PREFILL": f"{_ATTENTION}.mla_prefill_backend",
        "VLLM_USE_TRTLLM_RAGGED_DEEPSEEK_PREFILL": f"{_ATTENTION}.mla_prefill_backend",
        "VLLM_DISABLE_FLASHINFER_PREFILL": f"{_ATTENTION}.mla_prefill_backend",
        "VLLM_V1_USE_PREFILL_DECODE_ATTENTION": "choose the kernels with --attention-backend",
    },
    "vllm#28006": {
        "--rope-scaling": "write --hf-overrides '{\"rope_parameters\": {...}}'",
        "--rope-theta": 'write --hf-overrides \'{"rope_parameters": {"rope_theta": ...}}\'',
    },
    "vllm#28204": {"VLLM_USE_V1": "leave it out: V1 is the only engine"},
    "vllm#28545": {"--lora-extra-vocab-size": "leave it out: adapters use the model's vocabulary"},
    "vllm#29402": {
        "--disable-log-requests": "leave it out: requests are logged only with "
        "--enable-log-requests",
        "--override-pooler-config": "write --pooler-config",
    },
    "vllm#29646": {
        "PassConfig.enable_fusion": "write fuse_norm_quant and fuse_act_quant",
        "PassConfig.enable_attn_fusion": "write fuse_attn_quant",
        "PassConfig.enable_noop": "write eliminate_noops",
        "PassConfig.enable_fi_allreduce_fusion": "write fuse_allreduce_rms",
    },
    "vllm#33535": {"VLLM_ALL2ALL_BACKEND": "write --all2all-backend"},
    "vllm#33536": {"VLLM_TORCH_PROFILER_DIR": "write --profiler-config.torch_profiler_dir"},
    "vllm#34400": {"--logits-processor-pattern": "write --logits-processors"},
    "vllm#36216": {"--swap-space": "leave it out: the V1 engine swaps nothing"},
    "vllm#37612": {"--disable-frontend-multiprocessing": "leave it out"},
    "vllm#43148": {
        "VLLM_FLASHINFER_MOE_BACKEND": _MOE,
        "VLLM_USE_FLASHINFER_MOE_FP16": _MOE,
        "VLLM_USE_FLASHINFER_MOE_FP8": _MOE,
        "VLLM_USE_FLASHINFER_MOE_FP4": _MOE,
        "VLLM_USE_FLASHINFER_MOE_MXFP4_BF16": _MOE,
        "VLLM_USE_FLASHINFER_MOE_MXFP4_MXFP8": _MOE,
        "VLLM_USE_FLASHINFER_MOE_MXFP4_MXFP8_CUTLASS": _MOE,
        "VLLM_MXFP4_USE_MARLIN": "write --moe-backend marlin, or --linear-backend marlin",
        "VLLM_NVFP4_GEMM_BACKEND": "write --linear-backend",
        "VLLM_USE_NVFP4_CT_EMULATIONS": "write --linear-backend emulation",
        "VLLM_USE_FBGEMM": "write --linear-backend fbgemm",
    },
    "vllm#43410": {
        "PassConfig.fuse_minimax_qk_norm": "leave it out: the model does it by itself",
    },
    "vllm#44128": {"VLLM_RPC_TIMEOUT": "leave it out: nothing read it"},
    "vllm#48684": {"--override-attention-dtype": "leave it out"},
    "vllm#49244": {
        "--max-num-partial-prefills": _PREFILLS,
        "--max-long-partial-prefills": _PREFILLS,
    },
    "vllm#49389": {
        "--calculate-kv-scales": "leave it out: scales come from the checkpoint, or are 1.0",
    },
    "vllm#52216": {
        "VLLM_PREFIX_CACHE_RETENTION_INTERVAL": "write --prefix-cache-retention-interval",
    },
    "vllm#52550": {
        "AttentionConfig.use_fp4_indexer_cache": "write indexer_kv_dtype: mxfp4 for true, nothing "
        "for false",
    },
    "vllm#53945": {
        "--enable-mamba-fine-grained-prefix-cache": "write --enable-mamba-shared-prefix-checkpoint",
    },
    "vllm#55899": {
        "--enable-bf16x3-router-gemm": "leave it out: it is the default where the GPU has it",
    },
    "the deprecation in vLLM 0.12.0": {
        "--disable-mm-preprocessor-cache": "write --mm-processor-cache-gb 0",
        "--enable-multimodal-encoder-data-parallel": "write --mm-encoder-tp-mode data",
    },
    "vllm/entrypoints/cli/main.py": {
        "--omni": "leave it out: it hands the command to vllm-omni, which is another program",
    },
}


def remedy(name: str) -> str | None:
    """Return what to write instead of what vLLM took out, with the source; None if unknown."""
    return _REMEDIES.get(name)


def _pairs() -> Iterator[tuple[str, str]]:
    for source, advice in _BY_SOURCE.items():
        for name, instead in advice.items():
            yield name, f"{instead} ({source})"


_REMEDIES = dict(_pairs())
