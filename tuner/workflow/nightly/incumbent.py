"""What serves under a name, and the settings with which it can be measured again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.engines.deployment import Deployment, Version
from tuner.spec.errors import EngineError
from tuner.spec.knobs import Knob
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import complete
from tuner.workflow.nightly.asked import BY, NotTonight
from tuner.workflow.service.journal import Journal, Promotion


@dataclass(frozen=True, slots=True)
class Incumbent:
    """What serves: its version, None where nothing does and the study's baseline stands for it.

    `anchor` has the settings that a person put into service last, None where those are its own.
    `model` is the digest of the model that it was measured with, None where it is not known.
    """

    version: Version | None
    candidate: Candidate
    anchor: Candidate | None = None
    model: str | None = None


def incumbent(study: Study, deployment: Deployment, journal: Journal) -> Incumbent:
    """Return what serves, as the journal tells of it.

    Raises NotTonight for what was not put there by `tune`, was changed by hand, or is down.
    """
    now = deployment.current()
    if now is None:
        return Incumbent(None, study.baseline)
    _ensure_untouched(deployment, now)
    done = [made for made in journal.promotions() if made.ended]
    made = _made(done, now)
    if made is None or not made.candidate:
        raise NotTonight(
            f"what serves as {deployment.name} was not put there by tune, so nothing is known of "
            "its settings; `tune run` and `tune apply` put something there that is"
        )
    anchor = _anchor(done)
    other = anchor is not None and dict(anchor) != dict(made.candidate)
    return Incumbent(now, made.candidate, anchor if other else None, made.model)


def _ensure_untouched(deployment: Deployment, now: Version) -> None:
    """Raise NotTonight where what serves does not answer, or is not as it was put there."""
    if edited := deployment.edited(now):
        raise NotTonight(
            f"{', '.join(edited)} of what serves as {deployment.name} was changed by hand, so that "
            "it is not what was measured; put a result there with `tune apply`"
        )
    try:
        deployment.check()
    except EngineError as down:
        raise NotTonight(
            f"{deployment.name} did not serve before the night began ({down}); start it, and look "
            "at its log"
        ) from None


def _made(done: Sequence[Promotion], version: Version) -> Promotion | None:
    """Return the promotion that brought a version, None where the journal has none."""
    came = (made for made in reversed(done) if made.settled and made.coming.id == version.id)
    return next(came, None)


def _anchor(done: Sequence[Promotion]) -> Candidate | None:
    """Return the settings that a person last put into service, by `apply` or by `rollback`."""
    for made in reversed(done):
        if made.by == BY:
            continue
        if made.settled and made.candidate:
            return made.candidate
        if "returning" in made.steps and made.kept is not None:
            back = _made(done, made.kept)
            return back.candidate if back is not None and back.candidate else None
    return None


def with_whole_anchor(serves: Incumbent, knobs: Mapping[str, Knob]) -> Incumbent:
    """Return what serves, with an anchor of the knobs that an engine has now.

    Those that came since have their defaults, and those that went are left out.
    """
    if serves.anchor is None:
        return serves
    left = {name: value for name, value in serves.anchor.items() if name in knobs}
    return replace(serves, anchor=complete(left, knobs))


def is_there(deployment: Deployment, serves: Incumbent) -> bool:
    """Tell whether the name has what it had when the night began."""
    now = deployment.current()
    return (now and now.id) == (serves.version and serves.version.id)
