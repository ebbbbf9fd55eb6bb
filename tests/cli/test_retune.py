"""`tune retune`: a week of nights beside a server that serves, through the real command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from tests.workflow.nightly.production import Nights, document, nights

pytestmark = pytest.mark.timeout(300)  # the first test waits for the whole week


@dataclass(frozen=True, slots=True)
class Night:
    """How a night ended: None for code and document where it was killed."""

    code: int | None
    told: dict[str, Any]
    said: str
    serves: str | None
    requests: int


@dataclass(frozen=True, slots=True)
class Week:
    """What the nights came to, and what is left in the end."""

    regressed: Night
    killed: Night
    repaired: Night
    kept: Night
    undecided: Night
    decided: Night
    still: Night
    ledger: list[dict[str, Any]]
    journal: list[list[str]]

    @property
    def all(self) -> list[Night]:
        """Return the seven nights in their order."""
        return [
            self.regressed, self.killed, self.repaired, self.kept, self.undecided, self.decided,
            self.still,
        ]  # fmt: skip


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """Work through a week: what serves misses its target until the sixth night."""
    with nights(tmp_path_factory.mktemp("week")) as here:
        here.production(t8=["--ttft-ms", "1000"], t6=["--load-s", "2"])
        here.applied(2)
        regressed = _night(here)
        search_s, duel_s = _times(here)
        killed = _killed(here)
        repaired = _night(here)
        kept = _night(here)
        here.study((2, 6, 32))
        undecided = _night(here, "--budget", f"{search_s + 0.4 * duel_s:.0f}s")
        decided = _night(here)
        still = _night(here)
        yield Week(
            regressed, killed, repaired, kept, undecided, decided, still,
            here.lines(), here.journal(),
        )  # fmt: skip


def _night(here: Nights, *words: str) -> Night:
    ended = here.night(*words)
    told = document(ended)
    return Night(ended.returncode, told, ended.stderr, here.serves(), here.requests())


def _killed(here: Nights) -> Night:
    """Work until another version has the name and its server loads, and end with SIGKILL there."""
    here.study((2, 6))
    with here.begun() as night:
        night.until(lambda said: here.journal()[-1][-1] == "swapped")
        night.kill()
        return Night(None, {}, night.said.read_text(), here.serves(), here.requests())


def _times(here: Nights) -> tuple[float, float]:
    """Return how long the first night searched and compared, in seconds."""
    begun, met = (datetime.fromisoformat(here.ledger(w)[0]["at"]) for w in ("begun", "met"))
    blocks = here.ledger_file.parent.glob("duels/*/trials/*/samples.jsonl")
    last = max(file.stat().st_mtime for file in blocks)
    return (met - begun).total_seconds(), last - met.timestamp()


def test_each_night_ends_with_its_decision_and_code(week: Week) -> None:
    """Only a version that was taken back is a failure for whoever started the night."""
    ended = [n for n in week.all if n.code is not None]

    assert [(n.told["decision"], n.code) for n in ended] == [
        ("rolled_back", 4), ("repaired", 0), ("kept", 0), ("undecided", 0), ("promoted", 0),
        ("kept", 0),
    ]  # fmt: skip
    assert all(n.told["schema"] == "tuner.night/1" for n in ended)
    assert not any("Traceback" in n.said for n in week.all)


def test_what_answers_after_each_night_is_what_was_decided(week: Week) -> None:
    """Old or new, whole each time."""
    old, new = "2 threads", "32 threads"

    assert [n.serves for n in week.all if n.code is not None] == [old, old, old, old, new, new]


def test_better_beside_and_worse_in_place_is_rolled_back(week: Week) -> None:
    """With evidence that it was better, and what failed where it served."""
    night = week.regressed

    assert night.told["why"].startswith("rolled back: a target failed in place; api serves what")
    assert night.told["evidence"]["meets"] == "PASS"
    assert night.told["challenger"]["candidate"]["num_thread"] == 8
    assert "in place: 60 of 60 late for e2e p90 <= 50 ms (FAIL)" in night.said
    assert night.told["target_lost"]


def test_a_night_that_was_killed_is_repaired_by_the_next(week: Week) -> None:
    """Which says so first, and leaves out what the machine may have gone down with."""
    night = week.repaired

    assert "did not end; rolled back: api is what it was before" in night.told["repaired"]
    assert night.told["why"].startswith(night.told["repaired"])
    assert night.told["challenger"] is None


def test_what_was_decided_about_is_not_tried_again(week: Week) -> None:
    """Nothing is promoted, or taken back, each night anew; nor does it hide what is next."""
    closed = [line["challenger"] for line in week.ledger if line["what"] == "closed"]

    assert "none of 1 candidates looked better" in week.kept.told["why"]
    assert week.kept.told["challenger"] is None
    assert len(closed) == len(set(closed)) == 3


def test_what_is_undecided_goes_on_with_its_evidence(week: Week) -> None:
    """The later night wins more pairs of the same comparison, and searches no more."""
    first, second = week.undecided.told, week.decided.told

    assert first["why"].startswith("the comparison goes on another night: ")
    assert first["challenger"]["id"] == second["challenger"]["id"]
    assert second["evidence"]["won"] > first["evidence"]["won"] > 0
    assert "-- search" not in week.decided.said
    assert week.decided.requests > week.undecided.requests > week.kept.requests


def test_each_challenger_spends_less_of_the_year(week: Week) -> None:
    """One that is met again spends nothing more."""
    met = [line for line in week.ledger if line["what"] == "met"]
    alphas = [n.told["challenger"]["alpha"] for n in (week.regressed, week.undecided, week.decided)]

    assert [line["number"] for line in met] == [1, 2, 3]
    assert len([line for line in week.ledger if line["what"] == "world"]) == 1
    assert alphas[0] > alphas[1] == alphas[2]
    assert sum(alphas[:2]) < 0.05


def test_all_is_written_down(week: Week) -> None:
    """The ledger has each night with what it told, the journal each change of what serves."""
    written = [line for line in week.ledger if line["what"] == "night"]
    ended = [n.told for n in week.all if n.code is not None]

    assert len([line for line in week.ledger if line["what"] == "begun"]) == 7
    assert [{**told, **line} for told, line in zip(ended, written, strict=True)] == written
    assert week.journal == [
        ["staged", "keeping", "swapped", "reloaded", "settled"],
        ["staged", "keeping", "swapped", "reloaded", "restored"],
        ["staged", "keeping", "swapped", "restored"],
        ["staged", "keeping", "swapped", "reloaded", "checked", "settled"],
    ]
