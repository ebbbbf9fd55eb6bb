"""The vLLM that is installed: where it is, its flags, and what it makes of settings."""
