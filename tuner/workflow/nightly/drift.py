"""How far production has moved away from the mix that what serves was put into service with.

`tune workload import` writes the mix of a recording beside its prompts. The ledger keeps the one
with which a version was first seen.
"""

from __future__ import annotations

from tuner.spec.errors import InputError
from tuner.spec.study import Study
from tuner.store.run_folder import writing
from tuner.workflow.nightly.incumbent import Incumbent
from tuner.workflow.nightly.ledger import Ledger
from tuner.workflow.recordings.drift import Drift, drift
from tuner.workflow.recordings.mix_file import dumped, mix_path, read_mix


def drift_since(study: Study, serves: Incumbent, ledger: Ledger) -> Drift | None:
    """Return how far the study's mix has moved, None where there is no mix to compare.

    Raises InputError for a mix that cannot be read.
    """
    path = None if study.prompts is None else mix_path(study.prompts)
    if path is None or not path.exists() or serves.version is None:
        return None
    now, kept = read_mix(path), ledger.folder / f"mix-{serves.version.id[:20]}.json"
    if not kept.exists():
        with writing(kept):
            kept.write_text(dumped(now), encoding="utf-8")
    return drift(read_mix(kept), now)


def drift_text(found: Drift) -> str | None:
    """Say how production has moved, None where it has not."""
    if found.verdict == "same":
        return None
    beyond = [a for a in found.apart if a.verdict(found.threshold) == found.verdict]
    parts = "; ".join(
        f"{a.aspect} by {a.distance.found:.0%} [{a.distance.low:.0%}, {a.distance.high:.0%}]"
        for a in beyond
    )
    moved = "has drifted" if found.verdict == "drifted" else "may have drifted"
    return f"production {moved} from the mix that serves ({parts})"


def told_drift(study: Study, serves: Incumbent, ledger: Ledger) -> str | None:
    """Say how production has moved, or why that is not known; None where it has not."""
    try:
        found = drift_since(study, serves, ledger)
    except InputError as unreadable:
        return f"how far production has moved is not known: {unreadable}"
    return None if found is None else drift_text(found)
