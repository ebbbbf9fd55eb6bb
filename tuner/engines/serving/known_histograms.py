"""What servers call the histograms of how long their requests took.

Each is observed when a request ends on the server, and counts from its arrival there; a request
that the server refused is in none. A time per output token must be one of a whole request: those
of single tokens are another figure.
"""

from __future__ import annotations

from tuner.engines.latency_counts import LatencyCounts
from tuner.engines.serving.histograms import Names, read_latencies

VLLM = Names(
    histograms={
        "e2e": "vllm:e2e_request_latency_seconds",
        "ttft": "vllm:time_to_first_token_seconds",
        "tpot": "vllm:request_time_per_output_token_seconds",
    },
    in_flight=("vllm:num_requests_running", "vllm:num_requests_waiting"),
)
"""vllm/v1/metrics/loggers.py of vLLM 0.32."""

SGLANG = Names(
    histograms={
        "e2e": "sglang:e2e_request_latency_seconds",
        "ttft": "sglang:time_to_first_token_seconds",
    },
    in_flight=("sglang:num_running_reqs", "sglang:num_queue_reqs"),
)
"""sglang/srt/metrics/collector.py; with --enable-metrics."""


def read_known(text: str) -> LatencyCounts | None:
    """Return what a page of any of these servers counts, None where it is of none."""
    found = (read_latencies(text, names) for names in (VLLM, SGLANG))
    return next((counts for counts in found if counts is not None), None)
