"""Control calls: health, properties, tokens. Never on the measured path."""

from __future__ import annotations

import errno
import ssl
from typing import TYPE_CHECKING, Any, TypeAlias

from tuner.spec.errors import EngineError

if TYPE_CHECKING:
    import aiohttp

Headers: TypeAlias = tuple[tuple[str, str], ...]

_IN_TLS = (None, 1, errno.ECONNRESET, errno.EPIPE)
"""How a connection ends on which nobody answers to TLS: closed, garbage (SSL_ERROR_SSL), reset."""

_OF_ANOTHER_HOST = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH (openssl/x509_vfy.h)."""

_TIMEOUT_S = 60.0
# A just started llama.cpp was seen to leave a GET unanswered for good, and to answer the next one.
_READ_TIMEOUTS_S = (3.0, 30.0)


async def call(
    method: str,
    url: str,
    body: Any = None,
    *,
    headers: Headers = (),
    tls: ssl.SSLContext | None = None,
) -> tuple[int, Any]:
    """Return (status, decoded JSON) of one call; status 0 and the reason when nothing answers.

    A GET that is not answered soon is sent once more; all other methods may change something.
    Headers, which may be secret, are sent to no other server: redirects are not followed.
    Raises EngineError where a server answers and TLS with it does not come about.
    """
    import aiohttp  # slow to import, and many commands ask no server

    timeouts = _READ_TIMEOUTS_S if method == "GET" else (_TIMEOUT_S,)
    for timeout_s in timeouts:
        try:
            return await _once(method, url, body, headers, tls, timeout_s)
        except TimeoutError:
            continue
        except aiohttp.ClientConnectorCertificateError as untrusted:
            raise EngineError(_not_trusted(untrusted)) from untrusted
        except aiohttp.ClientConnectorError as error:
            if tls is not None and error.os_error.errno in _IN_TLS:
                raise EngineError(
                    f"https://{error.host}:{error.port} has no answer to TLS; is it http:// there?"
                ) from error
            return 0, str(error.os_error)
        except (aiohttp.ClientError, OSError) as error:
            return 0, f"{type(error).__name__}: {error}"
    return 0, f"no answer within {sum(timeouts):g} s"


async def _once(
    method: str,
    url: str,
    body: Any,
    headers: Headers,
    tls: ssl.SSLContext | None,
    timeout_s: float,
) -> tuple[int, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(
            method, url, json=body, headers=headers, ssl=tls or True, allow_redirects=not headers
        ) as response,
    ):
        try:
            return response.status, await response.json(content_type=None)
        except (ValueError, RecursionError):  # an answer that is not JSON, or too deep
            return response.status, None


def _not_trusted(untrusted: aiohttp.ClientConnectorCertificateError) -> str:
    """Return what is wrong with a server's certificate, and what helps."""
    where, found = f"https://{untrusted.host}:{untrusted.port}", untrusted.certificate_error
    why = str(getattr(found, "verify_message", "") or found).rstrip(".")
    if getattr(found, "verify_code", None) in _OF_ANOTHER_HOST:
        return (
            f"the certificate of {where} is for another host ({why}); ask for the server by a "
            "name that its certificate has"
        )
    return (
        f"the certificate of {where} is not trusted ({why}); name a PEM file that vouches for "
        "it: engine.ca_file in the study, or SSL_CERT_FILE=FILE in the environment"
    )


async def get(url: str) -> Any:
    """Return the decoded answer of a GET; raise EngineError when there is none."""
    status, body = await call("GET", url)
    if status != 200 or body is None:
        raise EngineError(f"{url} answered {status or body} where JSON was expected")
    return body
