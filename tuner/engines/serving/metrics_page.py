"""Fetch a server's page of metrics. Nothing that a server sends or leaves out raises here."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tuner.engines.serving.control import Headers

if TYPE_CHECKING:
    import aiohttp

TIMEOUT_S = 5.0


def session(headers: Headers, tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Return a session whose requests end soon."""
    import aiohttp  # slow to import, and many commands ask no server

    timeout, connector = aiohttp.ClientTimeout(TIMEOUT_S), aiohttp.TCPConnector(ssl=tls or True)
    return aiohttp.ClientSession(timeout=timeout, connector=connector, headers=headers)


async def text(asking: aiohttp.ClientSession, url: str) -> str:
    """Return a page, "" where there is none or it was cut."""
    import aiohttp

    try:
        async with asking.get(url, allow_redirects=False) as response:
            return await response.text(errors="replace") if response.status == 200 else ""
    except (aiohttp.ClientError, TimeoutError, OSError, LookupError):
        return ""


async def page(url: str, *, headers: Headers = (), tls: ssl.SSLContext | None = None) -> str:
    """Return the page at a URL that is asked for once, "" where there is none."""
    async with session(headers, tls) as asking:
        return await text(asking, url)
