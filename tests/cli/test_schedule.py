"""`tune schedule` and `tune notify` as a user meets them: a real process each time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune
from tests.cli.test_study import study
from tests.telling.recorder import pagerduty, recording

SECRET = "5ecret00"


@pytest.mark.parametrize("words", [["schedule", "--help"], ["notify", "--help"]])
def test_help(words: list[str], tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Help texts say what there is, with an example."""
    found = tune(*words, cwd=tmp_path)

    assert found.returncode == 0
    assert found.stdout == snapshot


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["--systemd"], ["tune-retune-chat.service", "tune-retune-chat.timer"]),
        (["--cron"], ["tune-retune-chat.cron"]),
        (["--launchd"], ["modelfile-tuner.tune-retune-chat.plist"]),
        (["--k8s", "--image", "tune:1"], ["tune-retune-chat.yaml"]),
        (["--alerts"], ["modelfile-tuner.rules.yaml"]),
    ],
)
def test_the_files_are_written_and_the_next_step_is_said(
    words: list[str], files: list[str], tmp_path: Path
) -> None:
    """Each scheduler has its own; doing it again changes nothing."""
    study(tmp_path)
    environment = {"TZ": "UTC", "PATH": "/usr/bin:/bin"}
    found = [tune("schedule", "--name", "chat", *words, cwd=tmp_path, **environment)
             for _ in range(2)]  # fmt: skip

    assert [f.returncode for f in found] == [0, 0], found[0].stderr
    assert sorted(p.name for p in (tmp_path / "out" / "schedule").iterdir()) == files
    first, *steps = found[0].stdout.splitlines()
    assert all(f"out/schedule/{file}" in first for file in files)
    assert any(f"out/schedule/{files[0]}" in step for step in steps)
    assert "{" not in found[0].stdout


def test_the_document(tmp_path: Path) -> None:
    """--json is one object with files and steps, and --out names the folder."""
    study(tmp_path)
    found = tune("schedule", "tune.yaml", "--name", "chat", "--systemd", "--out", "a b", "--json",
                 "--window", "22:00-06:00", "--time-zone", "Europe/Berlin", "--budget", "2h",
                 cwd=tmp_path)  # fmt: skip
    document = json.loads(found.stdout)

    assert document["schema"] == "tuner.schedule/1"
    assert "'a b'/tune-retune-chat.timer" in document["steps"][0]
    service = (tmp_path / "a b" / "tune-retune-chat.service").read_text()
    assert '"--window" "22:00-06:00 Europe/Berlin" "--budget" "7200s" "--watch" "28800s"' in service
    assert str(tmp_path / "tune.yaml") in service


def test_the_watch_and_the_pause_are_handed_on(tmp_path: Path) -> None:
    """`--watch 0` is none; production that the study cannot stop is told by day."""
    beside = {"pause": ["true"], "resume": ["true"], "health": "http://127.0.0.1:9/"}
    words = ("schedule", "--name", "chat", "--cron", "--pause-production")
    environment = {"TZ": "UTC", "PATH": "/usr/bin:/bin"}
    study(tmp_path)
    refused = tune(*words, cwd=tmp_path, **environment)
    study(tmp_path, beside=beside)
    none = tune(*words, "--watch", "0", "--out", "none", cwd=tmp_path, **environment)
    short = tune(*words, "--watch", "90m", "--out", "short", cwd=tmp_path, **environment)

    assert refused.returncode == 2
    assert "the study does not say how production is stopped" in refused.stderr
    assert (none.returncode, short.returncode) == (0, 0), none.stderr + short.stderr
    lines = [(tmp_path / out / "tune-retune-chat.cron").read_text() for out in ("none", "short")]
    assert "--watch" not in lines[0] and lines[0].endswith("--pause-production\n")
    assert lines[1].endswith("--watch 5400s --pause-production\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "x", "--cron", "--watch", "-1"], "such as 90s"),
        (["--systemd"], "say --name"),
        (["--name", "x"], "say one of --systemd, --cron, --launchd, --k8s, --alerts"),
        (["--name", "x", "--cron", "--systemd"], "say one of"),
        (["--name", "x", "--k8s"], "--k8s needs --image"),
        (["--name", "x", "--cron", "--gpus", "1"], "only for --k8s"),
        (
            ["--name", "x", "--cron", "--window", "1-5"],
            "--window: expected a window",
        ),
        (["--name", "x", "--cron", "--time-zone", "Berlin"], "did you mean Europe/Berlin?"),
        (["--name", "x", "--cron", "--budget", "long"], "such as 90s"),
        (["gone.yaml", "--name", "x", "--cron"], "no such study file"),
        (["--name", "x\ny", "--systemd"], "holds the character"),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(
    words: list[str], said: str, tmp_path: Path
) -> None:
    """A study that is broken is found by day."""
    study(tmp_path)
    found = tune("schedule", *words, cwd=tmp_path)

    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A file is in its place."""
    study(tmp_path)
    (tmp_path / "out").write_text("")
    found = tune("schedule", "--name", "chat", "--systemd", cwd=tmp_path)

    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith("tune: cannot write out/schedule: ")


def test_a_test_message_reaches_everybody(tmp_path: Path) -> None:
    """An alarm and an all-clear, which resolves the incident."""
    study(tmp_path, notify={"urls_from": "MY_URLS"})
    with recording() as here, pagerduty(tmp_path) as (there, environment):
        urls = f"json://127.0.0.1:{here.port}/{SECRET} pagerduty://{SECRET}@{SECRET}"
        found = tune("notify", "--test", cwd=tmp_path, **environment, MY_URLS=urls)

    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [
        "MY_URLS, target 1 (JSON): sent", "MY_URLS, target 2 (Pager Duty): sent"
    ]  # fmt: skip
    assert [sent["type"] for sent in here.sent] == ["info", "success"]
    assert [sent["event_action"] for sent in there.sent] == ["trigger", "resolve"]


def test_targets_are_shown_without_telling_them(tmp_path: Path) -> None:
    """Each is understood, or not, and none gets anything."""
    study(tmp_path, notify={"urls_from": "MY_URLS"})
    with recording() as here:
        urls = f"json://127.0.0.1:{here.port}/ what://{SECRET}"
        found = tune("notify", "--json", cwd=tmp_path, MY_URLS=urls)

    assert found.returncode == 1
    assert [t["state"] for t in json.loads(found.stdout)["targets"]] == ["understood", "failed"]
    assert found.stderr == "tune: 1 of 2 targets cannot be told; mend their URLs\n"
    assert here.sent == []


def test_no_secret_is_printed_or_written(tmp_path: Path) -> None:
    """Whatever fails: a service, a URL, a study that holds a URL by mistake."""
    urls = [f"slack://{SECRET}", f"json://{SECRET}:{SECRET}@127.0.0.1:1/{SECRET}", f"{SECRET}://x"]
    study(tmp_path, notify={"urls_from": "MY_URLS"})
    found = [tune("notify", *words, cwd=tmp_path, MY_URLS="\n".join(urls))
             for words in (["--test"], ["--test", "--json"], [])]  # fmt: skip
    study(tmp_path, notify={"urls_from": urls[0]})
    found.append(tune("notify", "--test", cwd=tmp_path))

    assert [f.returncode for f in found] == [1, 1, 1, 2]
    (tmp_path / "tune.yaml").unlink()
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    printed = "".join(f.stdout + f.stderr for f in found)
    assert SECRET not in printed
    assert SECRET.encode() not in written
    assert "Traceback" not in printed


def test_an_old_apprise_is_one_sentence_with_the_command(tmp_path: Path) -> None:
    """It would open an incident for every message."""
    study(tmp_path, notify={"urls_from": "MY_URLS"})
    info = tmp_path / "old" / "apprise-2.2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: apprise\nVersion: 2.2.0\n")
    paths = [str(info.parent), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "MY_URLS": "json://x"}
    found = tune("notify", "--test", cwd=tmp_path, **environment)

    assert found.returncode == 5
    assert found.stderr == (
        "tune: messages need apprise 2.3 or newer, found 2.2.0: "
        "pip install 'modelfile-tuner[notify]'\n"
    )


@pytest.mark.parametrize(
    ("section", "environment", "said"),
    [
        (None, {}, "the study tells nobody; add notify:"),
        ({"textfile": "/var"}, {}, "the study tells nobody; add notify:"),
        ({"urls_from": "MY_URLS"}, {}, "the variable MY_URLS is empty or not set"),
    ],
)
def test_who_tells_nobody_is_told_what_to_add(
    section: dict[str, str] | None, environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    """Before anything is sent."""
    study(tmp_path, **({} if section is None else {"notify": section}))
    found = tune("notify", "--test", cwd=tmp_path, **environment)

    assert found.returncode == 2
    assert said in found.stderr
