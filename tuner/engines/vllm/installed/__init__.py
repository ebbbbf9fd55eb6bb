"""The vLLM that is installed: where it is, and its flags."""
