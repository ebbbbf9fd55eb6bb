"""The embedded engine: the server of llama.cpp in a wheel."""
