"""What vLLM's profiling run adds to the weights at its peak, and what no formula gives.

The run works on `max_num_batched_tokens` tokens and samples for `max_num_seqs` requests
(vllm/v1/worker/gpu_model_runner.py, profile_run), so its peak is that of the larger of two:

- a layer: residual, input, output and twice the width of the MLP, kept together with its result;
- sampling: the logits beside two hidden states. The V1 runner has them three times more, in float32
  (as converted, their softmax, random numbers: v1/sample/sampler.py, ops/topk_topp_sampler.py); the
  V2 runner samples from them as they are (v1/worker/gpu/sample/sampler.py).

Experts keep two workspaces and an output through both (fused_moe/experts/triton_moe.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tuner.engines.vllm.memory.model_config import ModelFacts

GIB = 2**30

_V1_LOGIT_BYTES = 3 * 4
"""What the V1 runner needs in float32 for a logit."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured, not computed, in GiB.

    `rest` is added to the activations of every model, `encoder` to those of one that also reads
    images; `non_torch` is kept by CUDA and NCCL, by the number of tensor-parallel GPUs.
    """

    rest: float
    encoder: float
    non_torch: Mapping[int, float]
    pipeline_non_torch: float
    graphs: float


MEASURED = Measured(
    rest=0.05,
    encoder=0.14,
    non_torch=MappingProxyType({1: 0.25, 2: 2.07, 4: 2.17}),
    pipeline_non_torch=0.07,
    graphs=0.84,
)
"""Medians of vLLM 0.19.0 on H100; `python -m bench.memory` computes them from recorded runs."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the profiling run works on: tokens, requests, bytes of a value, tensor-parallel GPUs.

    `v1_runner` says which of vLLM's two runners of a model it is.
    """

    tokens: int
    requests: int
    value_bytes: int
    tensor_parallel: int
    v1_runner: bool


def activation_bytes(facts: ModelFacts, batch: Batch, *, first: bool, last: bool) -> float:
    """Return the peak of a stage without what is measured; the last stage also samples."""
    row = batch.tokens * batch.value_bytes
    layer = row * (3 * facts.width / batch.tensor_parallel + 4 * facts.hidden)
    hidden = 2 * row * facts.hidden
    experts = _experts_bytes(facts, batch)
    if experts:
        layer = 4 * row * facts.hidden
    requests = min(batch.requests, batch.tokens)
    logit = batch.value_bytes + batch.v1_runner * _V1_LOGIT_BYTES
    sampling = hidden + requests * facts.vocab * logit
    passed_on = 0.0 if first and last else hidden
    return experts + max(layer, sampling if last else 0.0) + passed_on


def non_torch_gib(measured: Measured, tensor_parallel: int, pipeline_parallel: int) -> float:
    """Return what CUDA and NCCL keep, by the nearest smaller number of GPUs that was measured."""
    if tensor_parallel == 1 and pipeline_parallel > 1:
        return measured.pipeline_non_torch
    return measured.non_torch[max(n for n in measured.non_torch if n <= tensor_parallel)]


def _experts_bytes(facts: ModelFacts, batch: Batch) -> float:
    if facts.expert_width is None or facts.experts_per_token is None:
        return 0.0
    width = facts.expert_width / batch.tensor_parallel
    spaces = max(width, facts.hidden) + max(2 * width, facts.hidden)
    row = batch.tokens * batch.value_bytes
    return row * (facts.experts_per_token * spaces + facts.hidden)
