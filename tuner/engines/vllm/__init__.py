"""vLLM: its own server on a private port, or one that runs."""
