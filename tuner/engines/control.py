"""Control calls: health, properties, tokens. Never on the measured path."""

from __future__ import annotations

from typing import Any

import aiohttp

from tuner.spec.errors import EngineError

_TIMEOUT_S = 60.0
# A just started llama.cpp was seen to leave a GET unanswered for good, and to answer the next one.
_READ_TIMEOUTS_S = (3.0, 30.0)


async def call(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """Return (status, decoded JSON) of one call; status 0 and the reason when nothing answers.

    A GET that is not answered soon is sent once more; all other methods may change something.
    """
    timeouts = _READ_TIMEOUTS_S if method == "GET" else (_TIMEOUT_S,)
    for timeout_s in timeouts:
        try:
            return await _once(method, url, body, timeout_s)
        except TimeoutError:
            continue
        except (aiohttp.ClientError, OSError) as error:
            return 0, f"{type(error).__name__}: {error}"
    return 0, f"no answer within {sum(timeouts):g} s"


async def _once(method: str, url: str, body: Any, timeout_s: float) -> tuple[int, Any]:
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, json=body) as response,
    ):
        try:
            return response.status, await response.json(content_type=None)
        except ValueError:  # an answer that is not JSON
            return response.status, None


async def get(url: str) -> Any:
    """Return the decoded answer of a GET; raise EngineError when there is none."""
    status, body = await call("GET", url)
    if status != 200 or body is None:
        raise EngineError(f"{url} answered {status or body} where JSON was expected")
    return body
