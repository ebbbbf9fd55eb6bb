"""What a study and a candidate say, as vLLM takes it: flags, variables, fields of requests."""
