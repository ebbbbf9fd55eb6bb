"""Tell the targets of a study, in bounded time; what fails is a value and no error.

apprise runs in a process of its own (`courier`): it is imported only when somebody is told, what
it logs may hold secrets, and no look-up of a name that hangs keeps a night from its end.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.notify import Notify
from tuner.telling.event import Delivery, Event
from tuner.telling.messages import TEST, Message, message
from tuner.telling.targets import Target, targets

INSTALL = "pip install 'modelfile-tuner[notify]'"

_LEAST = (2, 3)
"""apprise before 2.3 opens an incident in PagerDuty for every message."""

_WITHIN_S = 30.0


def tell(event: Event, notify: Notify, within_s: float = _WITHIN_S) -> tuple[Delivery, ...]:
    """Tell every target of an event that the study asks for, and return what became of it.

    An all-clear goes to whoever is told of anything. Nothing is raised: where no target can be
    told, the one delivery says why. It takes at most about `within_s` seconds.
    """
    if event.kind != "all_clear" and event.kind not in notify.events:
        return ()
    try:
        found = targets(notify)
    except InputError as lacking:
        return (Delivery(_source(notify), None, "failed", str(lacking)),)
    return _delivered(found, (message(event),), within_s)


def tell_test(notify: Notify, within_s: float = _WITHIN_S) -> tuple[Delivery, ...]:
    """Send every target an alarm and an all-clear, so that no incident stays open.

    Raises InputError where the study's targets are not there.
    """
    return _delivered(targets(notify), TEST, within_s)


def look(notify: Notify, within_s: float = _WITHIN_S) -> tuple[Delivery, ...]:
    """Say of every target whether its URL is understood; send nothing.

    Raises InputError where the study's targets are not there.
    """
    return _delivered(targets(notify), (), within_s)


def missing() -> str | None:
    """Return what has to be installed before anybody can be told, None where all is there."""
    try:
        found = importlib.metadata.version("apprise")
    except importlib.metadata.PackageNotFoundError:
        return f"messages need apprise, which is not installed: {INSTALL}"
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _LEAST:
        least = ".".join(map(str, _LEAST))
        return f"messages need apprise {least} or newer, found {found}: {INSTALL}"
    return None


def _source(notify: Notify) -> str:
    return notify.urls_from or str(notify.urls_file)


def _delivered(
    found: tuple[Target, ...], said: tuple[Message, ...], within_s: float
) -> tuple[Delivery, ...]:
    """Hand messages to the courier; a target that it says nothing of was not told."""
    if not found:
        return ()
    if problem := missing():
        return tuple(Delivery(target.place, None, "failed", problem) for target in found)
    lines, silence = _courier(found, said, within_s)
    unsaid = {"service": None, "state": "failed", "reason": silence}
    of_target = {line.pop("target"): line for line in lines}
    return tuple(
        Delivery(target.place, **of_target.get(number, unsaid))
        for number, target in enumerate(found)
    )


def _courier(
    found: tuple[Target, ...], said: tuple[Message, ...], within_s: float
) -> tuple[list[dict[str, Any]], str]:
    """Run the courier; return what it said, and why it may be silent about a target."""
    content = [{"url": target.url, "messages": list(map(asdict, said))} for target in found]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tuner.telling.courier"],
            input=json.dumps(content).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what plugins log may hold secrets
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return list(_lines(late.stdout)), f"it was not told within {within_s:g} s"
    except OSError as error:
        return [], f"the program that sends messages does not start ({error.strerror})"
    return list(_lines(done.stdout)), f"the program that sends messages ended ({done.returncode})"


def _lines(output: bytes | None) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of the courier."""
    for line in (output or b"").splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)
