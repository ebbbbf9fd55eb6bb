"""`tune validate`: whether B is better than A, not worse, or worse, on the same fresh prompts."""
