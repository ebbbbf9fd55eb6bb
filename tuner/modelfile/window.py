"""The window that Ollama really serves."""

from __future__ import annotations

LEAST_WINDOW = 4
"""The window in tokens that Ollama serves where less is asked for."""


def served_window(asked: int, trained: int | None) -> int:
    """Return the window in tokens that Ollama serves for a num_ctx, whatever it is.

    It is at least 4 (`server/sched.go`, getRunner) and at most what the model was trained with
    (`llm/server.go`, NewLlamaServer), both without a word to who asks.
    """
    return max(min(asked, trained or asked), LEAST_WINDOW)
