"""Recordings of production without texts, made into prompts: `tune workload import`."""
