"""What a vLLM server of given settings needs in memory, before it starts."""
