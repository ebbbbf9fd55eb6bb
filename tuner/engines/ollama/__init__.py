"""Ollama, a server of our own or one that runs."""
