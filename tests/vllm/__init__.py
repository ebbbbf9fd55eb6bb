"""A real vLLM in an environment of its own, and a stand-in for its parser."""
