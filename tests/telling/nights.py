"""Nights for tests."""

from __future__ import annotations

from tuner.telling.night import Config, Night, Side

WHOLE = Night(
    name="my assistant:latest",
    ran_at=1_790_000_000.5,
    succeeded_at=1_790_000_000.5,
    duration_s=7200.25,
    decision="promoted",
    trials={"finished": 41, "failed": 2},
    sides={
        "incumbent": Side({0.5: 0.4, 0.99: 0.91}, {0.99: 0.1}, {0.99: 0.02}, 3.5, 0.98),
        "candidate": Side({0.5: 0.3, 0.99: float("inf")}, {0.99: 0.1}, {0.99: None}, 4.5, 0.99),
    },
    lost={"e2e": False, "ttft": True, "tpot": None},
    untold=0,
    config=Config("pebble", 'a "model"\\\n', "0123456789abcdef"),
)
"""All of it is known but for two numbers; the texts hold what has to be escaped."""

UNKNOWN = Night("chat", 1_790_000_000.0)
"""Nothing is known but when it ran."""
