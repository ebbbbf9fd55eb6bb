"""vLLM: known, and not built yet."""
