"""vLLM for tests: a small package that behaves as vLLM 0.32 does, and a Python that has it."""
