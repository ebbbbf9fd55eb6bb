"""The ollama package, imported in whatever environment.

It makes a client of OLLAMA_HOST as soon as it is imported, and fails on values that Ollama itself
reads: quotes, or an address of IPv6 without brackets. Here each client is told its address.
"""

from __future__ import annotations

import os
import ssl
from functools import cache

_told = os.environ.pop("OLLAMA_HOST", None)
try:
    import ollama
finally:
    if _told is not None:
        os.environ["OLLAMA_HOST"] = _told

__all__ = ["ollama", "trusted"]


@cache
def trusted() -> ssl.SSLContext:
    """Return what certificates are checked by, which takes 20 ms to read: once for all clients.

    It heeds SSL_CERT_FILE, which httpx alone does not.
    """
    return ssl.create_default_context()
