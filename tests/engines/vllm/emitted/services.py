"""Servers that the tests write as files, and how files say what they start."""

from __future__ import annotations

from tuner.engines.artifacts import Evidence, Serving
from tuner.engines.serving.chat import chat_request
from tuner.engines.vllm.emitted.artifacts import artifacts
from tuner.engines.vllm.emitted.service import Service

MODULE = ("/opt/vllm/bin/python", "-m", "vllm.entrypoints.openai.api_server")
PROGRAM = ("/opt/vllm/bin/vllm", "serve")

ON_CPUS = Service(
    MODULE,
    "0.32.0+cpu",
    "/models/smol",
    flags={"served-model-name": "smol", "max-num-seqs": 64, "kv-cache-memory-bytes": 2**30},
    env={"VLLM_CPU_OMP_THREADS_BIND": "0-1"},
    mounts=("/models/smol",),
    start_s=109.4,
    memory_bytes=3 * 2**30 + 1,
)
ON_GPUS = Service(
    PROGRAM,
    "0.33.0",
    "an-org/a-model",
    flags={
        "tensor-parallel-size": 2,
        "enable-prefix-caching": False,
        "speculative-config": {"method": "ngram", "num_speculative_tokens": 3},
        "api-key": "unsaid",
    },
    words=("--middleware", "a.B", "--middleware", "c.D"),
    secrets=("HF_TOKEN",),
    start_s=300.0,
    gpus=2,
)
REQUEST = chat_request(
    (), {"model": "smol", "temperature": 0.0, "top_p": 1.0, "top_k": 0}, {"type": "object"}
)
SERVING = Serving(system="Answer briefly.", response_format={"type": "object"})
PROVEN = Evidence("vLLM X", "closed loop, concurrency 4", "PASS", ("ttft p99 <= 500 ms: PASS",))


def written(service: Service, evidence: Evidence = PROVEN) -> dict[str, str]:
    """Return the files of a server."""
    return artifacts(service, REQUEST, SERVING, evidence)
