"""The half of an `Engine` that every server which somebody else runs has in common."""

from __future__ import annotations

from tuner.engines import process
from tuner.load.wire import HttpTransport
from tuner.spec.address import Address

_LOOPBACK = ("127.0.0.1", "localhost")


class Foreign:
    """A server at an address that is used, and otherwise left as it is."""

    def __init__(self, address: Address) -> None:
        self._at = address

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
        return process.cpu_seconds_behind(self._at.port) if self._at.host in _LOOPBACK else None

    def alive(self) -> bool:
        """Return True: whether it runs shows when it is used."""
        return True

    async def aclose(self) -> None:
        """Leave the server as it is."""
