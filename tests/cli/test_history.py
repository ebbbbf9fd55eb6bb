"""`tune history` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune
from tests.cli.test_study import study
from tests.workflow.history.kept import Written
from tests.workflow.measuring.test_compare import kept as measured


@pytest.fixture
def nights(tmp_path: Path) -> Path:
    """Write a year's worth of what can happen, and two results; return the folder."""
    for folder, more in (("a", {}), ("b", {}), ("c", {"model_digest": "sha256:1"})):
        measured(tmp_path / folder, 100.0 if folder == "a" else 50.0, spread=0.0, **more)
    name = Written()
    name.put("20300101T000000", num_predict=64, result=str(tmp_path / "a"))
    before = name.serves
    name.night("n1", "kept", "none of 12 candidates looked better than what serves")
    name.promoting(str(tmp_path / "b"), "20300102T010000", num_predict=32)
    name.back(before)
    name.begin("n2")
    name.night("n3", "kept", result=tmp_path / "c")
    return tmp_path


def test_help(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """It says what there is, with an example."""
    assert tune("history", "--help", cwd=tmp_path).stdout == snapshot


def test_a_table_for_people(nights: Path, snapshot: SnapshotAssertion) -> None:
    """When, who, what, why, and what served then; exit code 0."""
    found = tune("history", "api", cwd=nights, TZ="UTC")

    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == snapshot


def test_all_names(nights: Path, snapshot: SnapshotAssertion) -> None:
    """Each with its last row; what cannot be read is named, and hides no other."""
    other = Written("chat:latest", "", "f" * 20)
    other.put("sha256:" + "0123456789abcdef" * 4, "keeping")
    broken = Written("worn", "/srv/worn", "e" * 20)
    broken.put("x")
    broken.base.with_name(f"{broken.stem}.jsonl").write_text('{"step": "never"}\n')
    found = tune("history", cwd=nights, TZ="UTC")

    assert found.returncode == 0
    assert found.stdout == snapshot
    assert "left out: " in found.stderr
    assert f"{broken.stem}.jsonl, line 1: no step of a journal" in found.stderr


def test_documents(nights: Path) -> None:
    """--json gives the same, whole; unknown is null."""
    one = json.loads(tune("history", "api", "--json", cwd=nights).stdout)
    every = json.loads(tune("history", "--json", cwd=nights).stdout)

    assert (one["schema"], one["name"], one["place"]) == ("tuner.history/1", "api", "/srv/api")
    assert [(row["number"], row["decision"]) for row in one["rows"]] == [
        (1, "promoted"), (2, "kept"), (3, "promoted"), (4, "went_back"), (5, "cut_off"),
        (6, "kept"),
    ]  # fmt: skip
    assert one["rows"][2]["changed"] == {"num_predict": {"before": 64, "now": 32}}
    assert one["rows"][2]["serves"] == {"version": "20300102T010000"}
    assert one["rows"][4]["ended"] is None
    assert every["schema"] == "tuner.names/1"
    assert every["names"] == [
        {"name": "api", "place": "/srv/api", "rows": 6, "promoted": 2, "last": one["rows"][5]}
    ]


def test_two_rows_are_compared(nights: Path) -> None:
    """As `tune compare` does: exit code 6 for unlike ones, 2 for a row without a result."""
    alike = tune("history", "api", "--compare", "1", "3", "--json", cwd=nights)
    unlike = tune("history", "api", "--compare", "1", "6", cwd=nights)
    forced = tune("history", "api", "--compare", "1", "6", "--force", cwd=nights)
    nothing = tune("history", "api", "--compare", "1", "2", cwd=nights)

    assert alike.returncode == 0, alike.stderr
    assert json.loads(alike.stdout)["b"]["path"] == str(nights / "b" / "measurement.json")
    assert unlike.returncode == 6 and "model_digest" in unlike.stderr
    assert forced.returncode == 0 and "warning: not alike: model_digest" in forced.stderr
    assert nothing.returncode == 2
    assert nothing.stderr == "tune: row 2 has no result that could be compared (kept)\n"


def test_a_night_that_found_nothing_running_is_told(tmp_path: Path) -> None:
    """Nobody knows then how the server lists the name: it is told as it was asked for."""
    study(tmp_path, engine={"kind": "ollama", "model": "smol"})
    nowhere = {"OLLAMA_HOST": "http://127.0.0.1:9"}
    night = tune("retune", "--name", "chat", cwd=tmp_path, **nowhere)
    found = json.loads(tune("history", "chat", "--json", cwd=tmp_path, **nowhere).stdout)

    assert night.returncode == 5
    assert [(row["decision"], row["serves"]) for row in found["rows"]] == [("failed", None)]
    assert "no Ollama answers at http://127.0.0.1:9" in found["rows"][0]["why"]


def test_nothing_yet(tmp_path: Path) -> None:
    """That is no error, as long as nobody asks for a name."""
    every, one = tune("history", cwd=tmp_path), tune("history", "api", cwd=tmp_path)

    assert every.returncode == 0 and "nothing is known yet" in every.stdout
    assert one.returncode == 2 and "nothing is known of api" in one.stderr


@pytest.mark.parametrize(
    "words", [("--compare", "1", "2"), ("--attach", "http://127.0.0.1:9"), ("api", "--force")]
)
def test_options_that_need_others_say_so(words: tuple[str, ...], tmp_path: Path) -> None:
    """In one sentence."""
    found = tune("history", *words, cwd=tmp_path)

    assert found.returncode == 2
    assert "say NAME" in found.stderr or "only for --compare" in found.stderr
