"""What a server in production holds while another one is tuned beside it."""

from __future__ import annotations

from tuner.engines.base import Engine
from tuner.engines.ollama import api as ollama_api
from tuner.engines.ollama.attached import address_of
from tuner.engines.ollama.engine import Ollama
from tuner.spec.errors import InputError


async def beside(engine: Engine) -> list[str]:
    """Return a sentence for each model that the server in production holds in memory now.

    It is asked once, before ours starts, and never changed.
    """
    if not isinstance(engine, Ollama):
        return []
    try:
        address = address_of(None)
    except InputError:  # an address that clients reach and we do not speak to
        return []
    return [
        f"the server at {address} holds {name} ({size / 2**20:.0f} MiB) now: what it answers "
        "meanwhile disturbs measuring, and what is measured slows it down"
        for name, size in (await ollama_api.loaded(address)).items()
    ]
