"""Warn of models that a server in production holds while another one is tuned beside it."""

from __future__ import annotations

from tuner.engines.base import Engine, Neighbour


async def production_warnings(engine: Engine) -> list[str]:
    """Return a sentence for each model that the server in production holds in memory now."""
    if not isinstance(engine, Neighbour):
        return []
    return [
        f"{what} ({size / 2**20:.0f} MiB) now: what it answers meanwhile disturbs measuring, and "
        "what is measured slows it down"
        for what, size in (await engine.in_production()).items()
    ]
