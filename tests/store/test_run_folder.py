"""The folder of a run: one process holds it, and what stands in it was written whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.errors import InputError, Locked, NotComparable, OutputError
from tuner.store.run_folder import (
    claimed,
    is_taken,
    run_digest,
    same_run,
    take,
    write_files,
    write_json,
)

HOLDER = (
    "import sys; from pathlib import Path; from tuner.store.run_folder import claimed\n"
    "with claimed(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()"
)
IDENTITY = {"model": {"digest": "sha256:1"}, "slo": [{"metric": "e2e", "max_s": 0.5}]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)  # fmt: skip


def test_one_process_holds_a_folder_until_it_ends_or_is_killed(tmp_path: Path) -> None:
    """Whoever comes meanwhile is sent away; a lock that outlives its owner would hold for ever."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "o")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(Locked, match=r"o is in use by another tune"), claimed(tmp_path / "o"):
        pass
    holder.kill()
    holder.communicate()

    with claimed(tmp_path / "o", resume=True) as held:  # its empty `trials` shows that it began
        assert held == tmp_path / "o"


def test_who_looks_at_a_lock_sees_whether_it_is_held_and_does_not_keep_it(tmp_path: Path) -> None:
    """Nor does it make one where there is none."""
    lock = tmp_path / ".lock"
    assert (is_taken(lock), lock.exists()) == (False, False)
    with lock.open("w") as held:
        take(held, "taken")
        assert is_taken(lock)
    with lock.open("w") as held:
        assert not is_taken(lock)
        take(held, "taken")


def test_a_folder_in_which_nothing_was_begun_can_be_claimed_again(tmp_path: Path) -> None:
    """One that holds a trial is never overwritten, and only such a one is continued."""
    out = tmp_path / "o"
    with claimed(out):
        pass
    with pytest.raises(InputError, match="holds no run that could be"), claimed(out, resume=True):
        pass
    with claimed(out):
        (out / "trials" / "0000").mkdir()
    with pytest.raises(InputError, match="a run is never overwritten"), claimed(out):
        pass
    with claimed(out, resume=True):
        pass

    assert (out / "trials" / "0000").is_dir()


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    """A file stands where its parent should be."""
    (tmp_path / "file").write_text("mine")

    with pytest.raises(InputError, match=r"cannot write to .*file/o.*name another --out"), \
            claimed(tmp_path / "file" / "o"):  # fmt: skip
        pass
    assert (tmp_path / "file").read_text() == "mine"


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_a_document_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    """Whatever texts and numbers it holds."""
    path = tmp_path_factory.mktemp("j") / "d.json"
    write_json(path, document)

    assert json.loads(path.read_text(encoding="utf-8")) == document


def test_half_a_character_stays_an_escape(tmp_path: Path) -> None:
    """As a server may send it; the file is UTF-8 all the same."""
    write_json(tmp_path / "d.json", {"answer": "a\ud83d"})

    assert "a\\ud83d" in (tmp_path / "d.json").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
def test_a_full_disk_leaves_the_document_that_was_there(tmp_path: Path) -> None:
    """The message says how to go on."""
    path = tmp_path / "d.json"
    write_json(path, {"old": 1})
    (tmp_path / ".d.json.partial").symlink_to("/dev/full")

    with pytest.raises(OutputError, match=r"No space left on device; make room.*--resume"):
        write_json(path, {"new": "x" * 10_000})
    assert json.loads(path.read_text()) == {"old": 1}


def test_a_number_that_json_lacks_replaces_nothing(tmp_path: Path) -> None:
    """NaN would be a document that other programs cannot read."""
    write_json(tmp_path / "d.json", {"old": 1})

    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "d.json", {"new": float("nan")})
    assert json.loads((tmp_path / "d.json").read_text()) == {"old": 1}


def test_scripts_can_be_run_and_other_artifacts_cannot(tmp_path: Path) -> None:
    """Each lies where the answer says."""
    lies = write_files(tmp_path, {"serve.sh": "#!/bin/sh\ntrue\n", "Modelfile": "FROM a\n"})

    assert subprocess.run([lies["serve.sh"]], check=True).returncode == 0
    assert lies["Modelfile"].stat().st_mode & 0o111 == 0


# the same run
def _begun(out: Path, identity: Mapping[str, Any] = IDENTITY) -> Path:
    same_run(out, identity, {})
    return out


def test_a_run_goes_on_with_trials_of_its_own_only(tmp_path: Path) -> None:
    """Another target is another run, and a trial that was measured for it is named."""
    _begun(tmp_path)
    other = {**IDENTITY, "slo": [{"metric": "e2e", "max_s": 0.2}]}
    same_run(tmp_path, IDENTITY, {"0000": run_digest(IDENTITY)})

    with pytest.raises(NotComparable, match=r"another slo.*0\.5.*0\.2"):
        same_run(tmp_path, other, {})
    with pytest.raises(NotComparable, match=r"trials/0001 was measured by another run"):
        same_run(tmp_path, IDENTITY, {"0001": run_digest(other)})


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """A fact that is new and says nothing changes no run: its trials keep the digest they have."""
    begun = _begun(tmp_path)
    later = {**IDENTITY, "new": None}

    found = same_run(begun, later, {"0000": run_digest(IDENTITY)})

    assert found == run_digest(IDENTITY)
    with pytest.raises(NotComparable, match="another new"):
        same_run(begun, {**IDENTITY, "new": 1}, {})


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("{", InputError, "not what a run writes down"),
        ("[]", InputError, "expected a JSON object, found list"),
        ("{}", InputError, "schema"),
        ("\xff", InputError, "not what a run writes down"),
        ('{"schema": "tuner.run/1"}', NotComparable, "begun by another version of tune"),
    ],
)
def test_what_a_run_wrote_down_is_checked(
    tmp_path: Path, content: str, error: type[Exception], said: str
) -> None:
    """A file that is damaged or of another version is named, and stays as it is."""
    (tmp_path / "run.json").write_text(content, encoding="latin-1")

    with pytest.raises(error, match=said):
        _begun(tmp_path)
    assert (tmp_path / "run.json").read_text(encoding="latin-1") == content
