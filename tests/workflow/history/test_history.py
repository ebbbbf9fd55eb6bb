"""What happened to a name is told in its order, with what served then, and what is not known."""

from __future__ import annotations

import fcntl
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.history.kept import Written
from tests.workflow.measuring.test_compare import kept as measured
from tuner.evaluate.history import Row, Serving
from tuner.spec.errors import InputError, NotComparable
from tuner.store.state_folder import state_folder
from tuner.workflow.history.history import compared, history
from tuner.workflow.history.known import all_kept, kept_of
from tuner.workflow.nightly.asked import BY
from tuner.workflow.nightly.ledger import LOCK, folder_at
from tuner.workflow.service.journal import Step


def rows(name: str = "api") -> tuple[Row, ...]:
    """Return what is told of a name."""
    return history(kept_of(name, None, None)).rows


def told(found: tuple[Row, ...]) -> list[tuple[str, str, str]]:
    """Return command, decision and what served then, of each row."""
    return [(row.by.removeprefix("tune "), row.decision, _serves(row.serves)) for row in found]


def _serves(serves: Serving | None) -> str:
    if serves is None:
        return "-"
    return "nothing" if serves.version is None else serves.version.id


def test_nights_and_what_people_did_stand_in_one_order() -> None:
    """Each with what served afterwards, which nobody knows before the first promotion."""
    name = Written()
    name.night("n1", "kept")
    name.put("a", num_predict=64, n=1)
    name.night("n2", "undecided")
    name.promoting("n3", "b", num_predict=32, n=1)
    name.night("n4", "skipped", "the window is closed")
    name.back(None)
    found = rows()

    assert told(found) == [
        ("retune", "kept", "-"), ("apply", "promoted", "a"), ("retune", "undecided", "a"),
        ("retune", "promoted", "b"), ("retune", "skipped", "b"), ("rollback", "removed", "nothing"),
    ]  # fmt: skip
    assert [row.number for row in found] == [1, 2, 3, 4, 5, 6]
    assert found[3].why == "shown to be better"
    assert found[3].changed == {"num_predict": (64, 32)}
    assert found[1].changed is None
    assert all(row.began and row.ended for row in found)


def test_a_promotion_that_is_taken_back_by_day_is_a_row_of_its_own() -> None:
    """It happens hours later, and what served before serves again."""
    name = Written()
    name.put("a", n=1)
    before = name.serves
    name.promoting("n1", "b", n=2)
    name.back(before, by=BY)
    name.end("n1", "rolled_back", "by day e2e p99 is lost")
    found = rows()

    assert told(found)[1:] == [("retune", "promoted", "b"), ("retune", "rolled_back", "a")]
    assert (found[2].began, found[2].why) == (None, "by day e2e p99 is lost")
    assert found[2].changed == {"n": (2, 1)}


@pytest.mark.parametrize(
    ("steps", "serves", "why"),
    [
        (("keeping", "swapped", "reloaded", "checked", "settled"), "b", "stays"),
        (("keeping", "swapped", "restored"), "a", "was taken back"),
        (("keeping", "swapped", "left"), "-", "somebody else gave the name"),
        (("keeping", "swapped"), "-", "the next tune apply, rollback or retune repairs"),
    ],
)
def test_a_night_without_an_end_was_cut_off(steps: tuple[Step, ...], serves: str, why: str) -> None:
    """Its row says what became of what it was putting into service."""
    name = Written()
    name.put("a")
    name.begin("n1")
    name.put("b", *steps, by=BY, result="n1")
    name.night("n2", "kept")
    cut = rows()[1]

    assert (cut.decision, _serves(cut.serves), cut.ended) == ("cut_off", serves, None)
    assert cut.why.startswith("no end was written down: it was killed, or could not write")
    assert why in cut.why


def test_a_night_that_goes_on_is_not_called_cut_off() -> None:
    """Its process holds the lock; an earlier one that was killed stays so."""
    name = Written()
    name.begin("n1")
    name.begin("n2")
    name.ledger.write("world", id="w", facts={})
    with (folder_at(name.base) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        during = [row.decision for row in history(all_kept()[0][0]).rows]
    after = [row.decision for row in history(all_kept()[0][0]).rows]

    assert (during, after) == (["cut_off", "under_way"], ["cut_off", "cut_off"])


@pytest.mark.parametrize(
    ("steps", "decision", "why"),
    [
        (("keeping", "swapped", "reloaded", "settled"), "promoted", "checked in place: no"),
        (("keeping", "restored"), "rolled_back", "broken off before the name changed hands"),
        (("restored",), "rolled_back", "broken off before the name changed hands"),
        (("keeping", "swapped", "restored"), "rolled_back", "it did not come to answer"),
        (("keeping", "swapped", "reloaded", "restored"), "rolled_back", "check in place did not"),
        (("keeping", "swapped", "reloaded", "left"), "left", "somebody else gave the name"),
        (("keeping",), "cut_off", "the next tune apply, rollback or retune repairs it"),
    ],
)
def test_an_apply_tells_how_far_it_came(steps: tuple[Step, ...], decision: str, why: str) -> None:
    """By the last step that was written down."""
    name = Written()
    name.put("a", *steps)
    [row] = rows()

    assert row.decision == decision
    assert why in row.why


def test_what_somebody_else_put_there_is_told_by_who_replaces_it() -> None:
    """The journal learns of it then."""
    name = Written()
    name.put("a")
    name.serves = None
    name.promoting("n1", "b")

    assert "what it replaced was put there by somebody else" in rows()[1].why


def test_clocks_that_are_set_change_no_file_s_own_order() -> None:
    """A night of the future, a promotion of the past."""
    name = Written(clock=datetime(2031, 1, 1, tzinfo=UTC))
    name.promoting("n1", "a")
    name.night("n2", "kept")
    name.clock = datetime(2030, 1, 1, tzinfo=UTC)
    name.put("b")
    name.promoting("n3", "c")

    assert told(rows()) == [
        ("retune", "promoted", "a"), ("apply", "promoted", "b"), ("retune", "kept", "b"),
        ("retune", "promoted", "c"),
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["apply", "night", "promoting", "cut", "back"]), max_size=12))
def test_whatever_happens_is_told_once_and_ends_with_what_serves(happened: list[str]) -> None:
    """Each thing is one row, and the last one that changed something says what serves."""
    for left in state_folder().glob("**/*.jsonl"):
        left.unlink()
    name, changes = Written(), 0
    for place, what in enumerate(happened):
        version = f"v{place}"
        if what == "apply":
            name.put(version)
        elif what == "night":
            name.night(version, "kept")
        elif what == "promoting":
            name.promoting(version, version)
        elif what == "cut":
            name.begin(version)
        elif name.serves is not None:
            name.back(None)
        else:
            continue
        changes += 1
    found = history(kept).rows if (kept := next(iter(all_kept()[0]), None)) else ()

    assert len(found) == changes
    if any(what in ("apply", "promoting") for what in happened):
        assert found[-1].serves == Serving(name.serves)


# where it serves
def test_a_name_needs_no_more_than_itself_where_one_place_has_it() -> None:
    """Also where no night of it promoted anything, and as Ollama lists it."""
    Written("chat:latest", "", "a" * 20).put("x")
    Written("api", "/srv/api", "b" * 20).night("n1", "kept")

    assert len(rows("Chat")) == len(rows("api")) == 1
    assert [history(kept).name for kept in all_kept()[0]] == ["chat:latest", "api"]


def test_a_name_in_several_places_is_not_guessed() -> None:
    """Folders are named; else an option says which."""
    for stem in ("a", "b"):
        Written("chat", f"/srv/{stem}", stem * 20).put("x")
    with pytest.raises(InputError, match=r"several folders \(/srv/a, /srv/b\); .* --study FILE"):
        rows("chat")
    for stem in ("c", "d"):
        Written("other", "", stem * 20).put("x")
    with pytest.raises(InputError, match="several places; say which with --attach URL"):
        rows("other")


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    """So that a mistyped one is seen."""
    Written().put("a")
    with pytest.raises(InputError, match=r"nothing is known of apo .* known: api"):
        rows("apo")
    with pytest.raises(InputError, match="nothing is known of api there"):
        kept_of("api", "http://127.0.0.1:9", None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 2"),
        ({"what": "night", "at": "2026-01-02 03:04:05+00:00"}, "out is missing"),
        ({"what": "begun", "at": "2026-01-02 03:04:05", "out": "x"}, "with its zone"),
        ({"what": "begun", "at": "2026-01-02 03:04:05+00:00", "out": 7}, "out: found 7"),
    ],
)
def test_a_broken_line_is_named_and_hides_no_other_name(line: object, said: str) -> None:
    """With its file; the others are told."""
    Written("chat", "/srv/c", "c" * 20).put("x")
    name = Written()
    name.begin("n1")
    text = line if isinstance(line, str) else json.dumps(line)
    with (folder_at(name.base) / "ledger.jsonl").open("a") as file:
        file.write(f"{text}\n")
    known, broken = all_kept()

    assert [kept.name for kept in known] == ["chat"]
    assert said in broken[0] and "ledger.jsonl, line 2" in broken[0]
    with pytest.raises(InputError, match="no line of a ledger"):
        rows("api")


# compared
def test_results_of_two_rows_are_compared(tmp_path: Path) -> None:
    """Also that of what a way back brought back; unlike ones are refused, and so is nothing."""
    for folder, more in (("a", {}), ("b", {}), ("c", {"model_digest": "sha256:1"})):
        measured(tmp_path / folder, 100.0 if folder == "a" else 50.0, spread=0.0, **more)
    name = Written()
    name.put("a", result=str(tmp_path / "a"))
    before = name.serves
    name.promoting(str(tmp_path / "b"), "b")
    name.back(before)
    name.night("n2", "kept", result=tmp_path / "c")
    name.night("n3", "skipped")
    name.put("g", result=str(tmp_path / "gone"))
    found = rows()

    assert compared(found, 1, 2).a.path == str(tmp_path / "a" / "measurement.json")
    assert compared(found, 2, 3).b.path == str(tmp_path / "a" / "measurement.json")
    with pytest.raises(NotComparable, match="model_digest"):
        compared(found, 1, 4)
    assert compared(found, 1, 4, force=True).unlike
    for a, b, said in (
        (1, 3, "of the same result"), (1, 5, "row 5 has no result .* \\(skipped\\)"),
        (6, 1, "the result of row 6 is gone: .*/gone"), (0, 1, "no row 0; rows go from 1 to 6"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            compared(found, a, b)
