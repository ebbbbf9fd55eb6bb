"""Servers that somebody else runs, spoken to as OpenAI is."""
