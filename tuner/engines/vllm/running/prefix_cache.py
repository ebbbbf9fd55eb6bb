"""Empty the prefix cache of a private server between measurements."""

from __future__ import annotations

from tuner.engines.serving import control
from tuner.spec.errors import EngineError

PATH = "/reset_prefix_cache"


async def reset_prefix_cache(origin: str) -> bool | None:
    """Tell whether the server at `origin` forgot its prefixes; None where it cannot be asked.

    It can be asked in development mode (VLLM_SERVER_DEV_MODE=1) only, so in a server of our own.
    It refuses while requests still hold blocks (vLLM, entrypoints/serve/dev/cache/api_router.py).
    """
    try:
        status, body = await control.call("POST", origin + PATH)
    except EngineError:
        return None
    told = body.get("success") if status == 200 and isinstance(body, dict) else None
    return told if isinstance(told, bool) else None
