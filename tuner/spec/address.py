"""Where a server is reached: the one reader of URLs, of `engine.url`, --attach and OLLAMA_HOST."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import quote

DEFAULT_PORTS = {"http": 80, "https": 443}
OLLAMA_PORT = 11434
EXPECTED = "expected http://HOST:PORT or https://HOST:PORT, with a path where the server has one"

_URL = re.compile(
    r"(?:(?P<scheme>[^:/?#]*)://)?(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
_AUTHORITY = re.compile(r"(?:\[(?P<six>[^][]*)\]|(?P<name>[^][:]*))(?::(?P<port>[^:]*))?")
_USER = re.compile(r"^(.*?//)?.*@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; `secure` asks for TLS.

    Its certificate must be trusted: by the machine, or by the file `ca_file`; without `verify`
    any is taken.
    """

    host: str
    port: int
    secure: bool = False
    ca_file: str | None = None
    verify: bool = True

    @property
    def authority(self) -> str:
        """Return host and port as a Host header has them: a port that goes without saying not."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def scheme(self) -> str:
        """Return http or https."""
        return "https" if self.secure else "http"


@dataclass(frozen=True, slots=True)
class Url:
    """A server's address, and the path and the query that all its requests share."""

    address: Address
    path: str = ""
    query: str = ""

    def __str__(self) -> str:
        return self.origin + self.path + self._asked

    @property
    def origin(self) -> str:
        """Return scheme, host and port."""
        return f"{self.address.scheme}://{self.address.authority}"

    def target(self, path: str) -> str:
        """Return what a request line asks for: a path on this server, with the query."""
        return path + self._asked

    @property
    def _asked(self) -> str:
        return f"?{self.query}" if self.query else ""


def url(text: str) -> Url:
    """Return the address in a URL; raise ValueError with what was expected."""
    scheme, authority, path, query = _parts(text)
    if scheme not in DEFAULT_PORTS:
        hint = f"; did you mean http://{_shown(text)}?" if not scheme else ""
        raise ValueError(f"{EXPECTED}, found {_shown(text)!r}{hint}")
    host, port = _host_and_port(authority, text)
    if not host:
        raise ValueError(f"{EXPECTED}, found {_shown(text)!r}, which names no host")
    number = _port(port, text) if port else DEFAULT_PORTS[scheme]
    return Url(Address(host, number, scheme == "https"), path, query)


def ollama_url(text: str, *, lenient: bool = False) -> Url:
    """Return the address of an Ollama, of which scheme, host and port may be left out.

    With `lenient` a port that is none is the default, as Ollama takes OLLAMA_HOST. Raises
    ValueError. Source: envconfig/config.go, Host and ConnectableHost.
    """
    scheme, authority, path, query = _parts("https://ollama.com" if text == "ollama.com" else text)
    bare = not scheme and path.strip("/") and not lenient  # rather the name of a file
    if scheme not in ("", *DEFAULT_PORTS) or query or bare:
        raise ValueError(f"{EXPECTED}, found {_shown(text)!r}")
    default = DEFAULT_PORTS.get(scheme, OLLAMA_PORT)
    host, port = _host_and_port(f"[{authority}]" if _is_ipv6(authority) else authority, text)
    try:
        number = _port(port, text) if port else default
    except ValueError:
        if not lenient:
            raise
        number = default
    return Url(Address(host or "127.0.0.1", number, scheme == "https"), path.rstrip("/"))


def variable(name: str) -> str:
    """Return a variable as Ollama reads it, without blanks and quotes (envconfig.Var)."""
    return os.environ.get(name, "").strip().strip("\"'").strip()


def _parts(text: str) -> tuple[str, str, str, str]:
    """Return scheme, authority, path and query; raise ValueError for what is never sent."""
    found = _URL.fullmatch(text.strip())
    if found is None or re.search(r"\s", text.strip()):
        raise ValueError(f"{EXPECTED}, found {_shown(text)!r}")
    if "@" in found["authority"]:
        raise ValueError(
            f"{EXPECTED}, found {_shown(text)!r}: no user and password here; with kind openai "
            "write engine.headers: {Authorization: {env: NAME}}"
        )
    path = quote(found["path"], safe="/%:@!$&'()*+,;=~")
    query = quote(found["query"] or "", safe="/%:@!$&'()*+,;=~?")
    return (found["scheme"] or "").lower(), found["authority"], path, query


def _host_and_port(authority: str, text: str) -> tuple[str, str | None]:
    """Return the host to connect to, and the port as written; raise ValueError."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None or (found["six"] is not None and not _is_ipv6(found["six"])):
        raise ValueError(
            f"{EXPECTED}, found {_shown(text)!r}; an IPv6 address stands in brackets: "
            "http://[::1]:8080"
        )
    if found["six"] is not None:
        return _connectable(found["six"]), found["port"]
    return _connectable(_name(found["name"], text)), found["port"]


def _name(written: str, text: str) -> str:
    """Return a host's name in the letters that DNS has; raise ValueError."""
    try:
        name = written.encode("idna").decode()
    except UnicodeError:
        name = "?"
    if not re.fullmatch(r"[A-Za-z0-9._-]*", name):
        raise ValueError(f"{EXPECTED}, found {_shown(text)!r}")
    return name


def _connectable(host: str) -> str:
    """Return where a server that listens on all addresses is reached from here."""
    found = _ip(host)
    if found is None or not found.is_unspecified:
        return host
    return "127.0.0.1" if found.version == 4 else "::1"


def _is_ipv6(host: str) -> bool:
    found = _ip(host)
    return found is not None and found.version == 6


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _port(port: str, text: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535:
        return int(port)
    raise ValueError(f"{EXPECTED}, found {_shown(text)!r}; a port is a number from 1 to 65535")


def _shown(text: str) -> str:
    """Return a URL as it may be shown: without the password in it."""
    return _USER.sub(r"\1...@", text.strip())
