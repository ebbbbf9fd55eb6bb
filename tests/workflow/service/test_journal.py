"""The journal of a name in service: one process changes it, and who is killed leaves word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.files.server import Production, production
from tests.workflow.service.folder import deployment
from tuner.engines.deployment import Version
from tuner.engines.files.deployment import FilesDeployment
from tuner.spec.errors import InputError, Locked, OutputError
from tuner.store.state_folder import state_folder
from tuner.workflow.service.journal import Journal, Promotion, locked, recorded

FIRST = Promotion("api", Version("2", "versions/2"), None, "2026-01-02 03:04", record={"a": 1},
                  candidate={"num_predict": 16})  # fmt: skip
SECOND = replace(FIRST, coming=Version("3", "versions/3"), kept=FIRST.coming, answered=True)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a folder in which nothing serves."""
    with production(tmp_path) as found:
        yield found


def test_a_name_is_changed_by_one_process_at_a_time(there: Production, tmp_path: Path) -> None:
    """However the folder is written; another folder is not held."""
    (tmp_path / "link").symlink_to(there.folder)
    linked = replace(there.deploy, folder=tmp_path / "link")
    other = replace(there.deploy, folder=tmp_path / "other")
    api = deployment(there)
    with locked(api), locked(FilesDeployment("b", other, api.kind)):
        with pytest.raises(Locked, match="api is being changed by another"), locked(api):
            pass
        with pytest.raises(Locked), locked(FilesDeployment("api", linked, api.kind)):
            pass


def test_what_was_begun_is_known_until_it_ends(tmp_path: Path) -> None:
    """With all of its steps, and to whoever reads it next."""
    journal = Journal(tmp_path / "j.jsonl")
    assert (journal.unfinished(), journal.promotions()) == (None, [])
    journal.begin("staged", SECOND)
    for step in ("keeping", "swapped", "reloaded", "checked"):
        journal.write(step)
    begun = Journal(tmp_path / "j.jsonl").unfinished()
    journal.write("settled")

    steps = ("staged", "keeping", "swapped", "reloaded", "checked")
    assert begun == replace(SECOND, steps=steps)
    assert journal.unfinished() is None
    (all_of_it,) = journal.promotions()
    assert all_of_it.settled and all_of_it.ended


def test_instants_outlast_a_clock_that_is_set(tmp_path: Path) -> None:
    """Begin and last step, with their zone; what no zone is said of is the machine's."""
    journal = Journal(tmp_path / "j.jsonl")
    journal.begin("staged", FIRST)
    journal.write("settled")
    lines = [json.loads(line) for line in (tmp_path / "j.jsonl").read_text().splitlines()]
    (made,) = journal.promotions()
    (tmp_path / "j.jsonl").write_text(
        json.dumps(lines[0] | {"began": None, "at": "2026-01-02 03:04"}) + "\n"
        + json.dumps(lines[1] | {"at": "no time"}) + "\n"
    )  # fmt: skip
    (older,) = journal.promotions()

    assert made.began and made.until
    assert [made.began.isoformat(" "), made.until.isoformat(" ")] == [
        lines[0]["began"], lines[1]["at"],
    ]  # fmt: skip
    assert older.began == datetime(2026, 1, 2, 3, 4).astimezone()
    assert older.until is None


def test_each_step_is_one_line_and_lines_only_come_to_it(tmp_path: Path) -> None:
    """A promotion that failed stays in it, and so does one that was cut off by the next."""
    journal = Journal(tmp_path / "j.jsonl")
    journal.begin("staged", FIRST)
    before = (tmp_path / "j.jsonl").read_text()
    journal.begin("staged", SECOND)
    journal.write("restored")
    text = (tmp_path / "j.jsonl").read_text()

    assert text.startswith(before)
    assert [json.loads(line)["step"] for line in text.splitlines()] == [
        "staged", "staged", "restored",
    ]  # fmt: skip
    assert [p.ended for p in journal.promotions()] == [False, True]
    assert not any(p.settled for p in journal.promotions())


@given(cut=st.integers(min_value=0, max_value=10_000))
def test_a_journal_cut_short_at_any_byte_is_understood(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """What was cut off had not been written down yet, and the next line stands alone."""
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    journal = Journal(path)
    journal.begin("staged", FIRST)
    journal.write("keeping")
    whole = path.read_bytes()
    path.write_bytes(whole[: cut % (len(whole) + 1)])
    left = path.read_bytes().count(b"\n")
    steps = [p.steps for p in journal.promotions()]
    journal.begin("staged", SECOND)

    assert steps == [[], [("staged",)], [("staged", "keeping")]][left]
    assert [p.coming.id for p in journal.promotions()] == (["2"] if left else []) + ["3"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "7", "{}", '{"step": "danced"}', '{"step": "settled"}', '{"step": "staged"}',
     '{"step": "staged", "at": "x", "name": "a", "coming": {"id": 1}, "kept": null}',
     "\x00" * 12, "[" * 100_000],
)  # fmt: skip
def test_a_line_that_no_tune_wrote_is_named(tmp_path: Path, line: str) -> None:
    """What became of the name is then for the user to say."""
    path = tmp_path / "j.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=r"j.jsonl, line 1: no step of a journal .* move the file"):
        Journal(path).unfinished()


def test_a_folder_serves_under_one_name(there: Production, tmp_path: Path) -> None:
    """Another one is refused with the name that it has."""
    api = deployment(there)
    with locked(api) as journal:
        journal.begin("staged", FIRST)
    other = FilesDeployment("other", there.deploy, api.kind)
    with pytest.raises(InputError, match="serves as api, found the name other; say --name api"), \
            locked(other):  # fmt: skip
        pass


def test_a_name_finds_its_places(there: Production) -> None:
    """Those that were written down for it, and no others; a broken journal hides only itself."""
    with locked(deployment(there)) as journal:
        journal.begin("staged", replace(FIRST, record=deployment(there).record()))
    (state_folder() / "broken.jsonl").write_text("{\n")

    assert recorded("api") == [deployment(there).record()]
    assert recorded("other") == []


def test_a_journal_holds_what_only_its_owner_may_read(there: Production) -> None:
    """A reload command may hold a secret."""
    with locked(deployment(there)) as journal:
        journal.begin("staged", FIRST)
    (file,) = state_folder().glob("*.jsonl")

    assert file.stat().st_mode & 0o077 == 0


def test_what_cannot_be_written_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    """So that nothing goes on that could not be written down."""
    journal = Journal(tmp_path / "missing" / "j.jsonl")
    with pytest.raises(OutputError, match=r"cannot write .*j\.jsonl"):
        journal.begin("staged", FIRST)
