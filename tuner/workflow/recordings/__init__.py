"""Recordings of production with its texts, made into prompts: `tune workload import`."""
