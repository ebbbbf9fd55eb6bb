"""The vLLM of the user, which lives in a Python of its own."""
