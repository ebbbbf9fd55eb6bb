"""Control calls: health, properties, tokens. Never on the measured path."""

from __future__ import annotations

from typing import Any

import aiohttp

from tuner.spec.errors import EngineError

_TIMEOUT_S = 60.0


async def call(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """Return (status, decoded JSON) of one call; status 0 and the reason when nothing answers."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, url, json=body) as response,
        ):
            return response.status, await response.json(content_type=None)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        return 0, f"{type(error).__name__}: {error}"
    except ValueError:  # an answer that is not JSON
        return response.status, None


async def get(url: str) -> Any:
    """Return the decoded answer of a GET; raise EngineError when there is none."""
    status, body = await call("GET", url)
    if status != 200 or body is None:
        raise EngineError(f"{url} answered {status or body} where JSON was expected")
    return body
