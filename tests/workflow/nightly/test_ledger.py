"""The ledger of nights: worlds, the numbers of challengers, and lines that were cut short."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines.files.server import production
from tests.workflow.service.folder import deployment
from tuner.spec.errors import InputError, Locked
from tuner.stats.spending import MOST, YEAR, error_of
from tuner.workflow.nightly.ledger import Ledger, ledger_folder, opened

A, B = {"model_digest": "sha256:1"}, {"model_digest": "sha256:2"}


def written(folder: Path, *lines: dict[str, Any]) -> Ledger:
    """Return a ledger with lines that an earlier `tune` wrote."""
    (folder / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Ledger(folder)


def begun(folder: Path, days: float) -> Ledger:
    """Return a ledger whose world A began so many days ago, with two challengers."""
    ledger = Ledger(folder)
    world = ledger.world(A)
    for id_ in ("one", "two"):
        ledger.met(world, id_, {"n": 1})
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    at = (datetime.now().astimezone() - timedelta(days=days)).isoformat()
    return written(folder, *({**line, "at": at} for line in lines))


def test_challengers_are_counted_from_one_and_keep_their_number(tmp_path: Path) -> None:
    """One that is met again has the error that it had, and takes none from others."""
    ledger = Ledger(tmp_path)
    world = ledger.world(A)
    found = [ledger.met(world, id_, {"n": 1}) for id_ in ("one", "two", "one", "three")]

    assert [c.number for c in found] == [1, 2, 1, 3]
    assert [c.alpha for c in found] == [error_of(n) for n in (1, 2, 1, 3)]
    assert len(ledger.lines("met")) == 3
    assert ledger.next_number(world) == 4


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=12))
@settings(max_examples=20)  # each line is on the disk itself
def test_each_world_spends_at_most_a_year_s_error(
    tmp_path_factory: pytest.TempPathFactory, meetings: Sequence[tuple[int, int]]
) -> None:
    """However challengers are met and met again: distinct ones have distinct numbers from 1."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    worlds = [ledger.world({"number": n}) for n in range(3)]
    numbers: dict[int, dict[int, int]] = {0: {}, 1: {}, 2: {}}
    for world, challenger in meetings:
        found = ledger.met(worlds[world], str(challenger), {"n": challenger})
        assert numbers[world].setdefault(challenger, found.number) == found.number

    for of_world in numbers.values():
        assert sorted(of_world.values()) == list(range(1, len(of_world) + 1))
        assert sum(map(error_of, of_world.values())) <= YEAR


def test_beyond_the_most_of_a_year_no_error_is_left() -> None:
    """What is spent is spent, until a year of the world is over."""
    assert error_of(MOST) > 0
    assert error_of(MOST + 1) == 0


@pytest.mark.parametrize(("days", "number"), [(0, 3), (364, 3), (366, 1), (-40, 3)])
def test_numbers_begin_anew_with_each_year_of_a_world(
    tmp_path: Path, days: float, number: int
) -> None:
    """A clock that is put back begins no year."""
    ledger = begun(tmp_path, days)

    assert ledger.next_number(ledger.world(A)) == number


def test_a_challenger_of_an_earlier_year_keeps_its_number(tmp_path: Path) -> None:
    """It goes on with its evidence, at the error that it has."""
    ledger = begun(tmp_path, 366)
    world = ledger.world(A)

    assert ledger.met(world, "two", {"n": 1}).number == 2
    assert ledger.met(world, "new", {"n": 2}).number == 1


def test_a_world_is_known_again_by_its_facts(tmp_path: Path) -> None:
    """It is written down once, whatever shapes its facts have in memory."""
    ledger = Ledger(tmp_path)
    first = ledger.world({"slo": ("a", "b"), "n": None})
    again = Ledger(tmp_path).world({"slo": ["a", "b"], "n": None})

    assert first == again
    assert len(ledger.lines("world")) == 1
    assert ledger.facts_of(first.id) == {"slo": ["a", "b"], "n": None}
    assert ledger.facts_of("another") == {}


def test_what_is_decided_in_one_world_is_open_in_another(tmp_path: Path) -> None:
    """A new world opens a new ledger."""
    ledger = Ledger(tmp_path)
    a, b = ledger.world(A), ledger.world(B)
    here, there = ledger.met(a, "one", {"n": 1}), ledger.met(b, "one", {"n": 1})
    ledger.close(a.id, here, "shown to be no better")

    assert ledger.closed(a) == {"one"}
    assert ledger.open_challengers(a) == []
    assert ledger.open_challengers(b) == [there]
    assert ledger.duel_folder(a, here) != ledger.duel_folder(b, there)


def test_nights_that_measured_are_known_however_they_ended(tmp_path: Path) -> None:
    """All but tonight's own."""
    ledger = Ledger(tmp_path)
    world = ledger.world(A)
    ledger.measuring(world, tmp_path / "first")
    ledger.measuring(world, tmp_path / "tonight")

    assert [n["out"] for n in ledger.measured(but=tmp_path / "tonight")] == [
        str(tmp_path / "first")
    ]


def test_a_line_that_was_cut_short_is_none(tmp_path: Path) -> None:
    """What it told had not happened yet; the next line takes its place."""
    ledger = Ledger(tmp_path)
    world = ledger.world(A)
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write('{"what": "met", "world"')
    met = ledger.met(world, "one", {"n": 1})

    assert met.number == 1
    assert [line["what"] for line in ledger.lines()] == ["world", "met"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[]", "list indices"),
        ("nothing", "Expecting value"),
        ('{"what": 1, "at": "2026-01-02"}', "expected a text"),
        ('{"what": "met", "at": "yesterday"}', "yesterday"),
        ('{"what": "night", "at": "2026-01-02T03:00+00:00"}', "night: out is missing"),
        ('{"what": "met", "at": "2026-01-02T03:00+00:00", "world": "w"}', "challenger is missing"),
        ('{"what": "met", "at": "2026-01-02"}', "an instant with its zone"),
        ('{"at": "2026-01-02"}', "what"),
    ],
)
def test_a_line_that_no_night_wrote_is_named(tmp_path: Path, line: str, told: str) -> None:
    """With its file and number, and what to do; what serves is not touched."""
    ledger = Ledger(tmp_path)
    ledger.world(A)
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2: no line of a ledger") as found:
        ledger.lines("night")

    assert told in str(found.value)
    assert str(tmp_path / "ledger.jsonl") in str(found.value)


def test_one_night_of_a_name_at_a_time(tmp_path: Path) -> None:
    """The second is sent away, and comes in once the first has ended."""
    with production(tmp_path) as there:
        name = deployment(there)
        sent_away = pytest.raises(Locked, match="another tune retune works on api")
        with opened(name), sent_away, opened(name):
            pass
        with opened(name) as ledger:
            assert ledger.folder == ledger_folder(name)
