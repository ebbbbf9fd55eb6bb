"""A trial's folder: whole or not there, and read back as it was written."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.observation import Level, Move, Observation, Reason
from tuner.evaluate.measured import Client, Measured
from tuner.machine.disturbance import Disturbance
from tuner.machine.resources import Gpu, Resources
from tuner.spec.beside import InForce
from tuner.spec.errors import InputError
from tuner.spec.values import Effective, Sample
from tuner.store.trial_folder import (
    Place,
    Spent,
    StoredTrial,
    free_name,
    read,
    read_all,
    write,
)

SAMPLE = Sample("p", "update", 0, 5, 7, 9, 1, 12, 2, "stop", "ok", None, '{"id": 1}')
EFFECTIVE = Effective(
    {"num_ctx": 512}, ("top_k",), (), "restart", 2, 77, "http://h", "v 1",
    limits=InForce(5, (0, 1), None, "cgroup", ("the limit of memory",)),
)  # fmt: skip
REASON = Reason("sequence cap", "two of two ran", (Move("slots", "more"),))
WHOLE = StoredTrial(
    "0007-more",
    Place("screening", 8, "tpe", 7, None, 20),
    {"num_ctx": 512, "format": "json", "temperature": 0.1},
    Measured(
        EFFECTIVE, (SAMPLE,), Client(1.0, 2.0), 2**20, None,
        Resources(1.0, None, (Gpu("G", None, 0.5),)), Disturbance(1.0, others=0.2),
        Observation(2.0, {"requests": 3.0}, {"running": Level(0, 1.5, 2, 4)}, REASON),
    ),
    Spent(requests=3, elapsed_s=1.5),
    "run-digest",
)  # fmt: skip
WRITER = """
import dataclasses, itertools, sys
from pathlib import Path
from tests.store.test_trial_folder import WHOLE
from tuner.store.trial_folder import write
for n in itertools.count():
    write(Path(sys.argv[1]), dataclasses.replace(WHOLE, name=f"{n:04d}"), {}, "log")
    print(n, flush=True)
"""


def named(name: str, elapsed_s: float = 0.0) -> StoredTrial:
    """Return a trial of another name."""
    return dataclasses.replace(WHOLE, name=name, spent=Spent(elapsed_s=elapsed_s))


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Every field of it, with what nobody knows still unknown; artifacts and log lie beside."""
    write(tmp_path, WHOLE, {"Modelfile": "FROM a\n"}, "a\ud83d")
    folder = tmp_path / "trials" / WHOLE.name

    assert read(folder) == WHOLE
    assert (folder / "Modelfile").read_text() == "FROM a\n"
    assert (folder / "engine.log").read_text() == "a\\ud83d"


texts = st.text(max_size=12)
times = st.none() | st.integers(0, 2**60)
samples = st.builds(
    Sample, texts, texts, st.integers(0, 2**60), st.integers(0, 2**60), times, times,
    st.integers(0, 9), st.none() | st.integers(0, 9), st.none() | st.integers(0, 9),
    st.none() | texts, st.sampled_from(("ok", "error", "timeout")), st.none() | texts, texts,
    server=st.dictionaries(texts, st.none() | st.integers() | texts, max_size=2),
    unknown_fields=st.lists(texts, max_size=2).map(tuple), warmup=st.booleans(),
)  # fmt: skip


@given(st.lists(samples, max_size=4), st.none() | texts)
def test_samples_are_read_back_whatever_a_server_sent(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Sample], failed: str | None
) -> None:
    """Answers hold any characters, line separators too, and times may be unknown."""
    out = tmp_path_factory.mktemp("o")
    trial = StoredTrial(
        "0", Place("measure"), {}, Measured(None, tuple(sent), Client(), None, failed)
    )
    write(out, trial, {}, "")

    assert read(out / "trials" / "0") == trial


def test_a_writer_that_is_killed_leaves_whole_trials_only(tmp_path: Path) -> None:
    """Wherever it was, each folder that is there is a trial, and no rest of another stays."""
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 5:
            pass
        writer.kill()
        writer.communicate()
        names = [f.name for f in (tmp_path / "trials").glob("[!.]*")]

        assert sorted(trial.name for trial in read_all(tmp_path)) == sorted(names)
        assert len(names) >= 5
        assert list((tmp_path / "trials").glob(".*")) == []
        shutil.rmtree(tmp_path / "trials")


def test_a_trial_that_has_no_room_is_not_there(tmp_path: Path) -> None:
    """The limit of a process on the size of a file stands for a disk that is full."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.store.test_trial_folder import WHOLE\n"
        "from tuner.spec.errors import OutputError; from tuner.store.trial_folder import write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: write(Path(sys.argv[1]), WHOLE, {}, '')\n"
        "except OutputError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "make room" in said
    assert read_all(tmp_path) == []
    write(tmp_path, WHOLE, {}, "")
    assert read_all(tmp_path) == [WHOLE]


def test_trials_come_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    """Not in that of their names."""
    for name, elapsed_s in (("0002", 1.0), ("0000", 3.0), ("0001", 2.0)):
        write(tmp_path, named(name, elapsed_s), {}, "")

    assert [trial.name for trial in read_all(tmp_path)] == ["0002", "0001", "0000"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("samples.jsonl", "", r"samples\.jsonl is not what was written"),
        ("candidate.json", "{}", r"candidate\.json is not what was written"),
        ("trial.json", "{", "not a trial as it was written"),
        ("trial.json", "[]", "expected a JSON object, found list"),
        ("trial.json", "{}", "not a trial as it was written"),
        ("trial.json", None, "No such file"),
    ],
)
def test_what_was_changed_afterwards_is_refused(
    tmp_path: Path, file: str, content: str | None, said: str
) -> None:
    """The message names the folder and how to go on without it."""
    write(tmp_path, WHOLE, {}, "")
    changed = tmp_path / "trials" / WHOLE.name / file
    if content is None:
        changed.unlink()
    else:
        changed.write_text(content)

    with pytest.raises(InputError, match=rf"trials/0007-more: .*{said}.*; move it out of"):
        read_all(tmp_path)


def test_a_trial_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    """A copy would count its samples twice."""
    write(tmp_path, WHOLE, {}, "")
    shutil.copytree(tmp_path / "trials" / WHOLE.name, tmp_path / "trials" / "0008")

    with pytest.raises(InputError, match="this is the trial 0007-more"):
        read_all(tmp_path)


@pytest.mark.parametrize("value", ["1", None, True])
def test_a_count_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    """What a run has spent decides when it ends."""
    write(tmp_path, WHOLE, {}, "")
    file = tmp_path / "trials" / WHOLE.name / "trial.json"
    facts = json.loads(file.read_text())
    facts["spent"]["requests"] = value
    file.write_text(json.dumps(facts))

    with pytest.raises(InputError, match=r"spent\.requests: expected a number"):
        read_all(tmp_path)


def test_a_name_that_is_taken_is_continued(tmp_path: Path) -> None:
    """So a trial that is measured again never replaces one that is there."""
    for expected in ("a", "a_2", "a_3"):
        assert free_name(tmp_path, "a") == expected
        write(tmp_path, named(expected), {}, "")
