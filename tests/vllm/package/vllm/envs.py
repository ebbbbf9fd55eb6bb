"""Variables that take part in what is compiled."""

import os


def compile_factors() -> dict[str, str]:
    """Return them."""
    return {name: value for name, value in os.environ.items() if name.startswith("VLLM_CPU_")}
