"""What an operating system lacks of what measuring needs, in sentences.

On Linux everything works. macOS measures too, but tells neither load, steal time, throttling nor
heat, and knows neither CPU sets, CPU scheduling by class nor huge pages. On Windows no engine is
started or measured and no model put into service: that needs locks, signals and process groups
as Linux and macOS have them; what only reads and writes files works.
"""

from __future__ import annotations

import sys

from tuner.spec.errors import EngineMissing

_WINDOWS = (
    "Windows lacks the locks, signals and process groups with which tune holds folders and ends "
    "engines: run it in the Windows Subsystem for Linux (`wsl --install`); here work tune init, "
    "study, lint, diff, compare and doctor"
)
_OTHER = (
    "measuring works; what else the machine does shows on Linux only (load, steal time, "
    "throttling, heat), and a process that leaves the engine's process group is not ended with it"
)


def limits(platform: str = sys.platform) -> str | None:
    """Return what does not work on an operating system as a sentence, None on Linux."""
    if platform == "linux":
        return None
    return _OTHER if can_measure(platform) else _WINDOWS


def can_measure(platform: str = sys.platform) -> bool:
    """Tell whether engines can be measured, and models put into service, on an operating system."""
    return platform not in ("win32", "cygwin")


def ensure_can_measure(platform: str = sys.platform) -> None:
    """Raise EngineMissing with the next step where an operating system cannot measure."""
    if not can_measure(platform):
        raise EngineMissing(_WINDOWS)
