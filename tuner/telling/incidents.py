"""Services that open incidents: what of an event they are told, and how, in their URL.

Names of parameters and actions are those of apprise 2.3 (its plugins of the same names).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

Does = Literal["tells", "opens", "resolves"]
"""What a message does: only tell people, open an incident too, or resolve that."""

PROMOTION = "a promotion opens no incident"
NOT_RESOLVED = "apprise cannot resolve an incident there: resolve it by hand"


@dataclass(frozen=True, slots=True)
class _Incidents:
    """The actions that open and resolve, and the parameter of the key.

    `opens` is None where every message opens one, `resolves` where none does: of Opsgenie and Jira
    apprise resolves only what the same process opened.
    """

    opens: str | None = "trigger"
    resolves: str | None = "resolve"
    key: str = "dedup"


_USUAL, _UNRESOLVED = _Incidents(), _Incidents(None, None)
_SPLUNK, _GOALERT = _Incidents("critical", "recovery", "entity_id"), _Incidents(resolves="close")
_ATLASSIAN = _Incidents("new", None, "alias")

_SERVICES: Mapping[str, _Incidents] = MappingProxyType(
    {
        "betterstack": _UNRESOLVED,
        "firehydrant": _USUAL,
        "goalert": _GOALERT,
        "goalerts": _GOALERT,
        "ilert": _USUAL,
        "incidentio": _USUAL,
        "jira": _ATLASSIAN,
        "lfg": _UNRESOLVED,
        "opsgenie": _ATLASSIAN,
        "opsimate": _USUAL,
        "opsimates": _USUAL,
        "pagerduty": _USUAL,
        "pagertree": _Incidents("create"),
        "signl4": _USUAL,
        "spike": _UNRESOLVED,
        "splunk": _SPLUNK,
        "squadcast": _USUAL,
        "victorops": _SPLUNK,
        "xmatters": _UNRESOLVED,
    }
)
"""By the schemes of their URLs."""


def left_out(schemes: Collection[str], does: Does) -> str | None:
    """Return why a service is not told, None where it is; `schemes` are all that it has."""
    incidents = _found(schemes)
    if incidents is None or does == "opens":
        return None
    if does == "tells":
        return PROMOTION
    return NOT_RESOLVED if incidents.resolves is None else None


def address(url: str, schemes: Collection[str], does: Does, key: str) -> str:
    """Return a URL with what a message does; that of other services as it is."""
    incidents = _found(schemes)
    if incidents is None:
        return url
    action = incidents.resolves if does == "resolves" else incidents.opens
    return url if action is None else _with(url, {"action": action, incidents.key: key})


def _found(schemes: Collection[str]) -> _Incidents | None:
    return next((_SERVICES[scheme] for scheme in schemes if scheme in _SERVICES), None)


def _with(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL with these parameters, in place of its own of the same names."""
    base, _, query = url.partition("?")
    own = [p for p in query.split("&") if p and p.partition("=")[0].lower() not in parameters]
    set_here = [f"{name}={quote(value, safe='')}" for name, value in parameters.items()]
    return f"{base}?{'&'.join([*own, *set_here])}"
