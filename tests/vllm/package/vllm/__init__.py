"""A stand-in for vLLM 0.32 that computes nothing: its resolver, its server, its log lines."""

__version__ = "0.32.0"
