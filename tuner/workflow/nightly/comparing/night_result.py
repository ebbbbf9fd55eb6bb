"""Write a comparison as the result of a run, with its requests and the files of the challenger."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from tuner.search.budget import plan
from tuner.store.run_folder import writing
from tuner.workflow.measuring.session import Session
from tuner.workflow.nightly.comparing.duel import Duel
from tuner.workflow.nightly.comparing.evidence import Side
from tuner.workflow.nightly.comparing.tonight import Compared, Tonight
from tuner.workflow.tune.conclude import Finished, conclude
from tuner.workflow.tune.proving.proof import Side as ProofSide
from tuner.workflow.tune.proving.prove_finalists import Finalists
from tuner.workflow.tune.run import write


def keep_requests(folder: Path, out: Path) -> None:
    """Show the requests of a comparison in the night's run, whose result rests on them.

    Files of trials never change, so that both folders can hold the same ones.
    """
    with writing(out):
        shutil.copytree(
            folder / "trials", out / "trials", dirs_exist_ok=True, copy_function=_linked
        )


def _linked(source: str, target: str) -> None:
    """Give a file a second name; copy it where that is impossible, as between file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def write_result(tonight: Tonight, session: Session, duel: Duel, compared: Compared) -> None:
    """Write the result of the night's run, with the files of the challenger."""
    assert compared.shown is not None
    beat = plan(tonight.study, session.pace())
    base = _proof_side(duel, "incumbent", "baseline")
    number = _trial_number(compared)
    finalists = Finalists(
        session, tonight.watcher, beat.rhythm, base,
        [replace(_proof_side(duel, "challenger", "finalist-1"), trial_number=number)],
        [compared.shown.measured["challenger"]],
    )  # fmt: skip
    finished = Finished(
        finalists,
        compared.trials,
        beat,
        inert=tonight.inert,
        shown_better=compared.shows == "better",
    )
    write(conclude(finished))


def _proof_side(duel: Duel, side: Side, name: str) -> ProofSide:
    """Return a side as that of a proof, whose blocks are all measured."""
    found = ProofSide(duel.sides[side], name, lambda: iter(()))
    for pair in duel.pairs.values():
        if side in pair:
            found.add(pair[side])
    return found


def _trial_number(compared: Compared) -> int | None:
    assert compared.challenger is not None
    same = (t.number for t in compared.trials if t.candidate == compared.challenger.candidate)
    return next(same, None)
