"""Nights on which something goes wrong: what serves goes on serving, and one line says why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from tests.processes import still_running
from tests.workflow.nightly.production import NAME, Nights, document, nights

pytestmark = pytest.mark.timeout(120)

SERVES = "2 threads"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nights, Path]]:
    """Give what a person put into service, and a copy of all files."""
    with nights(tmp_path_factory.mktemp("serving")) as found:
        found.applied(2)
        yield found, found.save(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def here(serving: tuple[Nights, Path]) -> Iterator[Nights]:
    """Give a name in service that no night has worked on yet."""
    found, saved = serving
    with found.put_back(saved):
        yield found


@pytest.fixture
def ended(here: Nights) -> Nights:
    """Give a name on which a night has ended, soon: the engine does not start beside."""
    here.engine("--die-at-start", "1")
    assert here.night().returncode == 0
    return here


@pytest.fixture(scope="module")
def half_compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nights, Path]]:
    """Give a night that was killed in a comparison, a few pairs away from its end."""
    with nights(tmp_path_factory.mktemp("half")) as found:
        found.applied(2)
        with found.begun() as night:
            night.until(lambda said: "pair 3:" in said)
            night.kill()
        yield found, found.save(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def half(half_compared: tuple[Nights, Path]) -> Iterator[Nights]:
    """Give a name for which a night soon finds something better, with eight threads."""
    found, saved = half_compared
    with found.put_back(saved):
        yield found


def told(night: subprocess.CompletedProcess[str], decision: str, code: int = 0) -> str:
    """Return why a night came to a decision."""
    assert night.returncode == code, night.stderr
    assert "Traceback" not in night.stderr
    found = document(night)
    assert found["decision"] == decision
    return str(found["why"])


# before anything is measured
def test_production_that_is_down_is_named(here: Nights) -> None:
    """The night says that it did not serve before, and leaves it at that."""
    psutil.Process(here.there.pids[-1]).kill()
    still_running(here.there.pids[-1])
    night = here.night()

    assert "api did not serve before the night began" in told(night, "skipped")
    assert here.serves() is None
    assert here.journal() == [["staged", "keeping", "swapped", "reloaded", "settled"]]


def test_files_that_were_edited_by_hand_are_named(here: Nights) -> None:
    """What was measured is not what serves; it stays as somebody wants it."""
    file = here.there.folder / "current" / "Modelfile"
    file.write_text(file.read_text() + "# mine\n")
    night = here.night()

    assert "Modelfile of what serves as api was changed by hand" in told(night, "skipped")
    assert file.read_text().endswith("# mine\n")
    assert here.serves() == SERVES


def test_what_tune_did_not_put_there_is_named(here: Nights) -> None:
    """Nothing is known of its settings."""
    here.journal_file.unlink()

    assert "was not put there by tune" in told(here.night(), "skipped")
    assert here.serves() == SERVES


def test_what_serves_and_does_not_start_beside_is_named(here: Nights) -> None:
    """What serves stays, though it could not be started again."""
    here.engine("--die-at-start", "1")
    why = told(here.night(), "skipped")

    assert "the settings that serve as api do not start beside it any more" in why
    assert "what serves stays; `tune run` finds settings that start" in why
    assert here.serves() == SERVES


def test_a_model_that_was_replaced_under_its_name_is_named(here: Nights) -> None:
    """Nights choose settings, and never a model."""
    here.applied(2, "s", model="1" * 64)
    why = told(here.night(), "skipped")

    assert "the model fake was replaced since it went into service" in why
    assert "`tune run` and `tune apply` put the new one into service" in why
    assert here.serves() == SERVES


def test_a_closed_window_is_no_reason_to_call_anybody(here: Nights) -> None:
    """The night says when it opens."""
    opens = datetime.now(UTC) + timedelta(hours=2)
    window = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M} UTC"
    here.study(notify={"urls_from": "URLS"})
    night = here.night("--window", window, URLS="json://127.0.0.1:9/")

    assert (
        told(night, "skipped") == f"the window {window} is closed; it opens {opens:%Y-%m-%d %H:%M}"
    )
    assert document(night)["told"] == []
    assert here.serves() == SERVES


def test_too_few_prompts_are_named_at_once(here: Nights) -> None:
    """A night that could show nothing is not worked through."""
    here.prompts(held_out=4)
    why = told(here.night(), "skipped")

    assert "held-out prompts or more, the study has 4; add some" in why
    assert here.serves() == SERVES


def test_people_who_cannot_be_told_change_nothing(here: Nights) -> None:
    """The decision stands, and it is said that nobody heard of it."""
    here.study(notify={"urls_from": "URLS"})
    here.engine("--die-at-start", "1")
    night = here.night(URLS="json://127.0.0.1:9/")
    found = document(night)

    assert "do not start beside it" in told(night, "skipped")
    assert found["untold"] == 1
    assert "not told: URLS, target 1" in night.stderr
    assert here.ledger("night")[-1]["untold"] == 1


@pytest.mark.parametrize("which", ["ledger_file", "journal_file"])
def test_a_last_line_that_was_cut_short_is_none(ended: Nights, which: str) -> None:
    """What it told had not been written down; the night is as any other."""
    file: Path = getattr(ended, which)
    file.write_text(file.read_text() + '{"what": "clo')
    night = ended.night()

    assert "do not start beside it" in told(night, "skipped")
    assert [line["decision"] for line in ended.ledger("night")] == ["skipped", "skipped"]
    assert ended.serves() == SERVES


@pytest.mark.parametrize("which", ["ledger_file", "journal_file"])
def test_a_file_that_is_broken_in_the_middle_is_named(ended: Nights, which: str) -> None:
    """Nothing is guessed: exit code 2, with the line and what to do."""
    file: Path = getattr(ended, which)
    first, *rest = file.read_text().splitlines(keepends=True)
    file.write_text("".join([first, "{\n", *rest]))
    night = ended.night()

    assert night.returncode == 2, night.stderr
    assert f"{file}, line 2: no " in night.stderr
    assert "move the file away" in night.stderr
    assert "Traceback" not in night.stderr
    assert ended.serves() == SERVES


# in the middle
def test_the_second_of_two_nights_exits_75(here: Nights) -> None:
    """The first one goes on undisturbed, until a signal ends it."""
    with here.begun() as first:
        first.until(lambda said: "-- search" in said)
        second = here.night()
        goes_on = first.process.poll() is None
        code = first.end(signal.SIGTERM)

    assert second.returncode == 75, second.stderr
    assert "another tune retune works on api; wait until it has ended" in second.stderr
    assert goes_on
    assert code == 143
    assert here.serves() == SERVES


def test_nothing_is_lost_of_a_search_that_was_killed(here: Nights) -> None:
    """The next night knows its trials; one that a signal ends writes that down."""
    with here.begun() as night:
        night.until(lambda said: "trial   1" in said)
        night.kill()
    with here.begun() as night:
        night.until(lambda said: "-- search" in said)
        code, said = night.end(signal.SIGTERM), night.said.read_text()

    assert "2 trials of 1 earlier nights inform the search" in said
    assert code == 143
    assert "a signal ended the night; what was measured is kept" in here.ledger("night")[-1]["why"]
    assert here.serves() == SERVES
    assert len(here.journal()) == 1


FULL = """
mount -t tmpfs -o size=4m none {disk} || exit 99
cp -a {saved}/. {disk}
{fill}
"$@"
"""


@pytest.mark.parametrize(("where", "room"), [("state", 0), ("out", 0), ("out", 150)])
def test_a_full_disk_changes_nothing(here: Nights, tmp_path: Path, where: str, room: int) -> None:
    """Whether nothing can be written from the beginning or from some time on, with its KiB."""
    disk = here.folder / where
    disk.mkdir(exist_ok=True)
    shutil.copytree(disk, tmp_path / "saved")
    fill = f"head -c {4096 - room}k /dev/zero > {disk}/ballast 2> /dev/null"
    script = FULL.format(disk=disk, saved=tmp_path / "saved", fill=fill)
    night = _in_a_mount_of_its_own(here, script)

    assert night.returncode in (1, 2), night.stderr
    assert "cannot write" in night.stderr
    assert "Traceback" not in night.stderr
    assert here.serves() == SERVES
    assert len(here.journal()) == 1


def _in_a_mount_of_its_own(here: Nights, script: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("unshare") is None:
        pytest.skip("a small disk of one's own needs unshare (Linux)")
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    command += [sys.executable, "-m", "tuner", "retune", "--name", NAME]
    env = {**os.environ, "XDG_STATE_HOME": str(here.folder / "state"), "COLUMNS": "300"}
    found = subprocess.run(command, cwd=here.folder, env=env, capture_output=True, text=True)
    if found.returncode == 99 or "unshare:" in found.stderr:
        pytest.skip("this system allows no mount of one's own")
    return found


# with something better at hand
def test_a_comparison_that_was_killed_goes_on(half: Nights) -> None:
    """With the pairs that it had, and without another search."""
    before = half.requests()
    night = half.night()

    assert "is shown to be better" in told(night, "promoted")
    assert "-- search" not in night.stderr
    assert "pair 4: won 4, lost 0" in night.stderr
    assert half.requests() > before > 0
    assert half.serves() == "8 threads"


def test_a_person_who_wants_to_be_asked_is(half: Nights) -> None:
    """What is better is named, with the command that puts it into service; it works."""
    half.study(promote="ask")
    why = told(half.night(), "undecided")
    before = half.serves()
    words = why.partition("`tune ")[2].partition("`")[0].split()
    applied = half.tune(*words, "--yes", "--requests", "5")

    assert "a challenger is shown to be better, and waits for your word" in why
    assert before == SERVES
    assert applied.returncode == 0, applied.stderr
    assert half.serves() == "8 threads"


def test_a_reload_that_fails_is_rolled_back(half: Nights) -> None:
    """Exit code 4; what did not start is not tried again."""
    half.production(t8=["fail"])
    night = half.night()
    why = told(night, "rolled_back", code=4)

    assert why.startswith("rolled back: the reload command")
    assert why.endswith("api serves what it served before")
    assert "\n" not in why
    assert "cannot start with 8 threads" in night.stderr
    assert half.serves() == SERVES
    assert half.journal()[-1] == ["staged", "keeping", "swapped", "restored"]
    assert [line["why"] for line in half.ledger("closed")] == [why]


def test_a_signal_in_the_check_in_place_is_rolled_back(half: Nights) -> None:
    """With the signal's code; the next night puts in place what is still shown to be better."""
    half.production(t8=["--ttft-ms", "1000"])
    with half.begun() as night:
        night.until(lambda said: half.journal()[-1][-1] == "reloaded")
        code, said = night.end(signal.SIGTERM), night.said.read_text()
    after = half.serves()
    half.production()
    again = half.night()

    assert code == 143, said
    assert "rolled back: api is what it was before" in said
    assert after == SERVES
    assert "is shown to be better" in told(again, "promoted")
    assert "pair" not in again.stderr
    assert half.serves() == "8 threads"


def test_what_is_lost_by_day_goes_back(half: Nights) -> None:
    """A server that is well, and answers no request, where nobody checked it: exit code 4."""
    half.production(t8=["--error-every", "1"])
    night = half.night("--requests", "0", "--watch", "40s", "--watch-rate", "8")
    decisions = [line["decision"] for line in half.ledger("night")]

    assert "api serves again what it served before" in told(night, "rolled_back", code=4)
    assert decisions[-2:] == ["promoted", "rolled_back"]
    assert half.serves() == SERVES
    assert half.journal()[-1] == ["returning", "restored"]


def test_another_version_of_the_engine_is_a_new_world(half: Nights) -> None:
    """What was measured with the old one is stale, and is said to be; the old best comes first."""
    half.study((2, 4, 8, 16))
    half.engine("--build", "next")
    with half.begun("--out", "tonight") as night:
        night.until(lambda said: "trial   1" in said)
        night.end(signal.SIGTERM)
        said = night.said.read_text()
    first = json.loads((half.folder / "tonight/trials/0001/candidate.json").read_text())

    assert "trials of earlier nights are stale (engine_version was llama.cpp fake, is" in said
    assert first["num_thread"] == 8
    assert len(half.ledger("world")) == 2
    assert half.serves() == SERVES
