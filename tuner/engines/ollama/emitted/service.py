"""Write the server's environment as a file that configures its service."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.sax.saxutils import escape

from tuner.engines.deployment import Target
from tuner.engines.ollama.environment import start_prefix
from tuner.engines.quoting import for_compose, for_systemd
from tuner.spec.templates import fill
from tuner.spec.values import Setting


@dataclass(frozen=True, slots=True)
class _Kind:
    """The file of a target: name, template, quoting of values, and steps that put it in force."""

    file: str
    template: str
    steps: tuple[str, ...]
    quoted: Callable[[str], str] = str


_KINDS: Mapping[Target, _Kind] = MappingProxyType(
    {
        "env": _Kind(
            "ollama.env",
            "variables.env.j2",
            ("restart the server with these variables: {file}{started}",),
        ),
        "systemd": _Kind(
            "zz-tuned.conf",  # the last name wins, over the override.conf of `systemctl edit` too
            "ollama/systemd.conf.j2",
            (
                "sudo install -D -m 644 {file} /etc/systemd/system/ollama.service.d/zz-tuned.conf",
                "sudo systemctl daemon-reload && sudo systemctl restart ollama",
                "systemctl show ollama -p Environment  # shows what is in force now",
            ),
            for_systemd,
        ),
        "compose": _Kind(
            "compose.tuned.yaml",
            "ollama/compose.yaml.j2",
            ("docker compose -f compose.yaml -f {file} up -d ollama",),
            for_compose,
        ),
        "launchd": _Kind(
            "com.ollama.tuned.plist",
            "ollama/launchd.plist.j2",
            (
                "cp {file} ~/Library/LaunchAgents/",
                "launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/com.ollama.tuned.plist",
            ),
            lambda value: escape(shlex.quote(value)),
        ),
    }
)


def environment_of(text: str) -> dict[str, str]:
    """Return the variables of an env file, as `artifacts` writes it in NAME=VALUE lines."""
    lines = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, equals, value in lines if equals}


def service_file(
    target: Target,
    environment: Mapping[str, str],
    header: tuple[str, ...],
    scheduling: Setting = "other",
) -> tuple[str, str]:
    """Return name and text of the file that sets the server's environment.

    `scheduling` is Linux's policy for the server's threads, which systemd and compose can set.
    """
    kind, start = _KINDS[target], start_prefix(scheduling)
    settings = [(name, kind.quoted(value)) for name, value in sorted(environment.items())]
    remarks = [f"It was measured as: {' '.join(start)} ollama serve"] if start else []
    values = {"header": header, "remarks": remarks, "settings": settings, "start": start,
              "scheduling": scheduling}  # fmt: skip
    return kind.file, fill(kind.template, values)


def steps(target: Target, file: str, scheduling: Setting = "other") -> list[str]:
    """Return the commands that put a file in force, with a restart that only the user may make."""
    start = start_prefix(scheduling)
    started = f", as: {' '.join(start)} ollama serve" if start else ""
    return [step.format(file=file, started=started) for step in _KINDS[target].steps]
