"""A night as JSON and for people."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from tests.workflow.nightly.test_tell_people import HAND, KEPT, PROMOTED, measured
from tuner.evaluate.duel import Evidence
from tuner.evaluate.night import Outcome
from tuner.report.night import night_document, open_text, reasons_against, show_night
from tuner.telling.event import Delivery

COMPARED = replace(
    PROMOTED, evidence=Evidence(9, 1, "PASS", {"incumbent": "PASS", "anchor": "UNDECIDED"}),
    measured={"incumbent": measured(800.0), "challenger": measured(100.0)}, by="right answers",
    judged=True, world="w", trials={"complete": 3}, seconds=12.5,
)  # fmt: skip


def shown(outcome: Outcome) -> str:
    """Return what a person sees."""
    console = Console(width=400, no_color=True)
    with console.capture() as captured:
        console.print(show_night(outcome, "api"))
    return captured.get()


def test_a_decision_comes_with_its_evidence() -> None:
    """All that it rests on, in JSON that parses again."""
    found = json.loads(json.dumps(night_document(COMPARED, "api"), allow_nan=False))

    assert (found["schema"], found["name"]) == ("tuner.night/1", "api")
    assert (found["decision"], found["why"]) == ("promoted", "it is better")
    assert found["challenger"] == {"id": "c", "number": 1, "alpha": 0.01, "candidate": {"n": 2}}
    assert found["evidence"] == {
        "won": 9, "lost": 1, "e": COMPARED.evidence.e if COMPARED.evidence else None,
        "needed": 200.0, "meets": "PASS",
        "not_worse": {"incumbent": "PASS", "anchor": "UNDECIDED"},
        "answers_by": "right answers", "incumbent": "UNDECIDED",
    }  # fmt: skip
    assert found["sides"]["incumbent"]["quantiles"]["e2e"]["0.9"][0] == pytest.approx(0.8)
    assert found["sides"]["challenger"]["n"] == 200
    assert found["trials"] == {"complete": 3}
    assert (found["alarm"], found["target_lost"]) == (False, False)


def test_what_is_unknown_is_null() -> None:
    """A night that measured nothing says nothing of it, and no zero."""
    found = night_document(Outcome("skipped", "the window is closed"), "api")
    unknown = ("challenger", "evidence", "world", "result", "repaired", "seconds")

    assert [found[key] for key in unknown] == [None] * len(unknown)
    assert (found["sides"], found["trials"]) == ({}, {})


@pytest.mark.parametrize(
    ("outcome", "alarm", "lost"),
    [
        (KEPT, False, False),
        (PROMOTED, False, False),
        (HAND, True, False),
        (Outcome("failed", "the disk is full"), True, False),
        (Outcome("rolled_back", "a target failed in place"), True, False),
        (replace(KEPT, evidence=Evidence(incumbent="FAIL")), True, True),
        (replace(PROMOTED, evidence=Evidence(incumbent="FAIL")), False, False),
        (replace(KEPT, evidence=Evidence(incumbent="UNDECIDED")), False, False),
    ],
)
def test_a_night_says_whether_people_have_to_look(
    outcome: Outcome, alarm: bool, lost: bool
) -> None:
    """A target that is lost counts where what missed it serves still."""
    found = night_document(outcome, "api")

    assert (found["alarm"], found["target_lost"]) == (alarm, lost)


def test_people_see_both_sides_and_what_is_still_open() -> None:
    """With the number of the challenger, and the evidence beside what is needed."""
    text = shown(COMPARED)

    assert text.startswith("api: promoted\nit is better\n")
    assert "e2e p90" in text and "800 ms" in text and "100 ms" in text
    assert "correct" in text
    assert "challenger 1 of the year, at an error of 1.00%" in text
    assert "it won 9 of 10 pairs of blocks by more than 3% (e = " in text
    assert "of 200 needed)" in text
    assert "not worse than what a person put into service last: UNDECIDED" in text
    assert "answers were compared by right answers" in text


def test_where_nothing_is_right_or_wrong_no_share_is_shown() -> None:
    """A share of right answers would be of no answers."""
    assert "correct" not in shown(replace(COMPARED, judged=False, by="agreement"))


def test_a_night_without_a_comparison_is_two_lines() -> None:
    """And one for each target that was not told."""
    untold = Delivery("MY_URLS, target 1", "JSON", "failed", "the service answered 500")

    assert shown(KEPT) == "api: kept\nnothing is better\n"
    assert shown(replace(KEPT, told=(untold,))).splitlines()[-1] == (
        "not told: MY_URLS, target 1 (JSON): failed: the service answered 500"
    )


def test_what_is_open_is_named() -> None:
    """All of it, with the evidence that is missing; and nothing that is shown."""
    everything = open_text(Evidence(3, 1, not_worse={"incumbent": "UNDECIDED"}), 0.01)
    pairs = open_text(Evidence(3, 1, "PASS", {"incumbent": "PASS"}), 0.01)
    answers = open_text(Evidence(0, 9, "PASS", {"anchor": "UNDECIDED"}, "FAIL"), 0.01)

    assert "every target and floor is open; that its answers are not worse" in everything
    assert everything.endswith("of 200 needed)")
    assert pairs.startswith("it won 3 of 4 pairs of blocks by more than 3% (e = ")
    assert answers == (
        "that its answers are not worse than those of what a person put into service last is open"
    )


def test_what_was_decided_against_has_a_reason() -> None:
    """The targets, the answers, or the pairs."""
    missed = reasons_against(Evidence(9, 0, "FAIL", {"incumbent": "FAIL"}), 0.01)
    lost = reasons_against(Evidence(0, 9, "PASS"), 0.01)

    assert missed == (
        "it was shown to miss a target or a floor; its answers were shown to be worse than those "
        "of what serves"
    )
    assert lost == "it won 0 of 9 pairs of blocks by more than 3%, and 3% is not in sight"
