"""A knob that a study declares: what carries it, and where the running server tells it."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.spec.values import Knob


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Where a running server tells a setting: in its log, or in the answer to a GET.

    `log` is a regular expression whose first group is the value, at its last match; `at` is
    a dotted path into the JSON that GET `get` gives, in which numbers are list indexes.
    """

    log: str | None = None
    get: str | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredKnob:
    """A knob of the server; `request_field` is the key of the request that carries it."""

    knob: Knob
    request_field: str | None = None
    read: ReadBack | None = None
