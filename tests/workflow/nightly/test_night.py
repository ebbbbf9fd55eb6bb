"""A night that cannot end as it should: it is told all the same, with what served."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_cli import tune
from tests.engines.files.server import Production, production
from tests.telling.recorder import Recorder, recording
from tests.workflow.service.folder import NAME, deployment, result, study
from tuner.workflow.nightly.ledger import Ledger, ledger_folder

_MORE = "notify: {urls_from: MY_URLS}\nspace: {num_predict: [8, 16]}\n"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Give somebody who is told of nights."""
    with recording() as there:
        monkeypatch.setenv("MY_URLS", f"json://127.0.0.1:{there.port}/")
        yield there


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a name that a person put something into service as."""
    with production(tmp_path, "--ttft-ms", "1", "--itl-ms", "0.1") as found:
        file = study(tmp_path, found)
        file.write_text(file.read_text() + _MORE)
        result(tmp_path / "o", "old")
        applied = tune("apply", "o", "--name", NAME, "--yes", "--requests", "0", cwd=tmp_path)
        assert applied.returncode == 0, applied.stderr
        yield found


def titles(told: Recorder) -> list[str]:
    """Return what was told."""
    return [sent["title"].rpartition(": ")[2] for sent in told.sent]


def test_a_full_disk_is_told_though_it_cannot_be_written_down(
    there: Production, told: Recorder, tmp_path: Path
) -> None:
    """Before anything began: what serves is as it was."""
    words = [sys.executable, "-m", "tuner", "retune", "--name", NAME]
    found = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )  # fmt: skip

    assert found.returncode == 1, found.stderr
    assert "cannot write" in found.stderr
    assert "Traceback" not in found.stderr
    assert titles(told) == ["failed"]
    assert there.serves() == "old"


def test_a_ledger_that_is_broken_is_told(there: Production, told: Recorder, tmp_path: Path) -> None:
    """With its line, and what to do; what serves is as it was."""
    folder = ledger_folder(deployment(there))
    folder.mkdir(parents=True)
    (folder / "ledger.jsonl").write_text("nothing\n")
    found = tune("retune", "--name", NAME, "--budget", "20s", cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert "line 1: no line of a ledger" in found.stderr
    assert "Traceback" not in found.stderr
    assert titles(told) == ["failed"]
    assert there.serves() == "old"


def test_what_people_have_to_look_at_is_told_and_no_failure(
    there: Production, told: Recorder, tmp_path: Path
) -> None:
    """Too few prompts, here: the night is skipped, and the next one will be, too."""
    found = tune("retune", "--name", NAME, "--budget", "20s", "--json", cwd=tmp_path)
    night = json.loads(found.stdout)

    assert found.returncode == 0, found.stderr
    assert (night["decision"], night["alarm"]) == ("skipped", True)
    assert "held-out prompts or more, the study has 2" in night["why"]
    assert titles(told) == ["failed"]
    assert [n["decision"] for n in Ledger(ledger_folder(deployment(there))).lines("night")] == [
        "skipped"
    ]
