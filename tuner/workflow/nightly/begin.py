"""Begin a night: what serves is started beside production, in the study's world of tonight."""

from __future__ import annotations

from dataclasses import replace

from tuner.engines.base import Engine
from tuner.spec.errors import EngineDied, StartFailed
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs, baseline, leave_out
from tuner.workflow.nightly.asked import Asked, NotTonight
from tuner.workflow.nightly.comparing.tonight import Tonight
from tuner.workflow.nightly.incumbent import Incumbent, with_whole_anchor
from tuner.workflow.nightly.ledger import Ledger
from tuner.workflow.nightly.world import facts
from tuner.workflow.tune.preparation import as_served
from tuner.workflow.tune.searching.screening import Watcher


async def begin(
    asked: Asked, serves: Incumbent, engine: Engine, ledger: Ledger, watcher: Watcher
) -> Tonight:
    """Start what serves with an engine of our own, and return the night that begins with it.

    Raises NotTonight where it does not start any more, or where its model was replaced.
    """
    asked_of = _of_what_serves(asked, serves, engine, watcher)
    study, inert = await as_served(asked_of, engine, watcher)
    base = baseline(study, engine)
    version = await _version(engine, base, asked)
    _ensure_same_model(serves, engine)
    world = ledger.world(facts(study, engine, version))
    ledger.measuring(world, asked.out)
    serves = with_whole_anchor(serves, all_knobs(engine))
    return Tonight(study, engine, asked.out, serves, base, ledger, world, watcher, inert=inert)


def _of_what_serves(asked: Asked, serves: Incumbent, engine: Engine, watcher: Watcher) -> Study:
    """Return the study with what serves as its baseline.

    What only a restart of the server sets is left out where that is the user's to make.
    """
    study, knobs = asked.study, all_knobs(engine)
    gone = [name for name in serves.candidate if name not in knobs]
    for name in gone:
        watcher.note(f"{name} is no setting of this engine any more, and is left out")
    now = {name: v for name, v in serves.candidate.items() if name not in gone}
    study = replace(study, baseline=now)
    if asked.deployment.starts_server:
        return study
    why = "a restart of the server sets it, which is yours to make"
    dear = {n: why for n, k in knobs.items() if k.tier == "restart" and n in study.space}
    left, _ = leave_out(study, dear)
    for name in dear:
        watcher.note(f"{name} keeps its value: {why}")
    return replace(left, baseline=now)


async def _version(engine: Engine, base: Candidate, asked: Asked) -> str:
    """Return the engine's version; raise NotTonight where what serves does not start any more."""
    try:
        return (await engine.apply(base)).version
    except (StartFailed, EngineDied) as broken:
        first = str(broken).splitlines()[0]
        raise NotTonight(
            f"the settings that serve as {asked.deployment.name} do not start beside it any more "
            f"({first}): what serves stays; `tune run` finds settings that start"
        ) from None


def _ensure_same_model(serves: Incumbent, engine: Engine) -> None:
    """Raise NotTonight where the study's model is not the one that serves."""
    now, was = engine.model.digest, serves.model
    if None not in (now, was) and now != was:
        raise NotTonight(
            f"the model {engine.model.name} was replaced since it went into service (digest {was}, "
            f"now {now}): nights choose settings, and never a model; `tune run` and `tune apply` "
            "put the new one into service"
        )
