"""A first study of a model of Ollama."""
