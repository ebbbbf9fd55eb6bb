"""What a candidate amounts to before a start: by vLLM itself, by arithmetic, by past starts."""
