"""The half of an `Engine` that every server which somebody else runs has in common."""

from __future__ import annotations

from tuner.load.wire import HttpTransport
from tuner.machine.processes import cpu_seconds_behind
from tuner.spec.address import Url

ONLY_A_START = "only a start of the server sets it"

_LOOPBACK = ("127.0.0.1", "localhost")


class Foreign:
    """A server at a URL that is used, and otherwise left as it is; `server` names it."""

    def __init__(self, url: Url) -> None:
        self._at = url.address
        self.server = url.origin + url.path

    def transport(self) -> HttpTransport:
        """Return a transport to the server."""
        return HttpTransport(self._at)

    def memory_bytes(self) -> int | None:
        """Return None: the server's memory is not ours to see."""
        return None

    def cpu_s(self) -> float | None:
        """Return None: the server's processes are not ours."""
        return None

    def seen_cpu_s(self) -> float | None:
        """Return the CPU seconds of a server of this machine; see `Seen`."""
        return cpu_seconds_behind(self._at.port) if self._at.host in _LOOPBACK else None

    def alive(self) -> bool:
        """Return True: whether it runs shows when it is used."""
        return True

    async def aclose(self) -> None:
        """Leave the server as it is."""
