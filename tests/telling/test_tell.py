"""Messages arrive where they should; what fails is said, and says nothing of a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.telling.recorder import pagerduty, recording, silent
from tuner.spec.notify import Notify
from tuner.telling import tell
from tuner.telling.event import Delivery, Event

URLS = Notify(urls_from="MY_URLS")
LOST = Event("target_lost", "chat", "p99 is 900 ms, and 500 ms is the target.", {"p99 in ms": 900})
CLEAR = Event("all_clear", "chat", "It meets its target again.")
PROMOTED = Event("promoted", "chat", "It is 20 % faster.")
SECRET = "5ecret00"


def states(told: tuple[Delivery, ...]) -> list[tuple[str, str | None]]:
    """Return what became of each target, and why."""
    return [(d.state, d.reason) for d in told]


def test_people_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence and the numbers arrive, and no target keeps another from it."""
    with recording() as here, recording(500) as broken:
        urls = f"json://127.0.0.1:{broken.port}/x json://127.0.0.1:{here.port}/x"
        monkeypatch.setenv("MY_URLS", urls)
        told = tell.tell(LOST, URLS)

    assert states(told) == [("failed", "the service answered 500"), ("sent", None)]
    assert [d.target for d in told] == ["MY_URLS, target 1", "MY_URLS, target 2"]
    [sent] = here.sent
    assert sent["title"] == "modelfile-tuner: chat: target lost"
    assert sent["message"] == "p99 is 900 ms, and 500 ms is the target.\np99 in ms: 900"
    assert sent["type"] == "failure"


def test_only_what_is_asked_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An all-clear always is."""
    with recording() as here:
        monkeypatch.setenv("MY_URLS", f"json://127.0.0.1:{here.port}/")
        failed_only = Notify(urls_from="MY_URLS", events=("failed",))
        assert tell.tell(LOST, failed_only) == ()
        assert states(tell.tell(CLEAR, failed_only)) == [("sent", None)]

    assert len(here.sent) == 1


def test_pagerduty_gets_an_incident_and_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With one key; a promotion is not told there at all."""
    with pagerduty(tmp_path) as (there, environment):
        for name, value in (environment | {"MY_URLS": "pagerduty://route@token"}).items():
            monkeypatch.setenv(name, value)
        told = [tell.tell(event, URLS) for event in (LOST, PROMOTED, CLEAR)]

    assert states(told[0]) == states(told[2]) == [("sent", None)]
    assert states(told[1]) == [("left_out", "a promotion opens no incident")]
    assert [sent["event_action"] for sent in there.sent] == ["trigger", "resolve"]
    assert [sent["dedup_key"] for sent in there.sent] == ["modelfile-tuner chat"] * 2
    assert there.sent[0]["payload"]["severity"] == "critical"


def test_a_test_leaves_no_incident_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is opened and resolved."""
    with pagerduty(tmp_path) as (there, environment):
        for name, value in (environment | {"MY_URLS": "pagerduty://route@token"}).items():
            monkeypatch.setenv(name, value)
        assert states(tell.tell_test(URLS)) == [("sent", None)]

    assert [sent["event_action"] for sent in there.sent] == ["trigger", "resolve"]


def test_a_service_that_never_answers_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its target is given up, the others are told."""
    with recording() as here, silent() as port:
        urls = f"json://127.0.0.1:{port}/?rto=600 json://127.0.0.1:{here.port}/"
        monkeypatch.setenv("MY_URLS", urls)
        told = tell.tell(LOST, URLS, within_s=10)

    assert states(told) == [("failed", "it was not told within 10 s"), ("sent", None)]


BROKEN = [
    f"slack://{SECRET}",
    f"{SECRET}://{SECRET}",
    f"pagerduty://{SECRET}",
    f"https://{SECRET}:{SECRET}@127.0.0.1:1/{SECRET}?token={SECRET}",
    f"json://{SECRET}:{SECRET}@127.0.0.1:1/{SECRET}?+X-Token={SECRET}",
    f"mailto://{SECRET}:{SECRET}@127.0.0.1:1",
    SECRET,
]


def test_no_secret_is_in_what_is_said_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in the values, and not in what is printed meanwhile."""
    monkeypatch.setenv("MY_URLS", " ".join(BROKEN))
    told = tell.tell(LOST, URLS)

    assert [d.state for d in told] == ["failed"] * len(BROKEN)
    assert all(d.reason for d in told)
    printed = capfd.readouterr()
    assert SECRET not in f"{list(map(str, told))}{told!r}{printed.out}{printed.err}"


def test_what_is_missing_is_said_and_not_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A night has no variable, or no file."""
    monkeypatch.delenv("MY_URLS", raising=False)
    [no_variable] = tell.tell(LOST, URLS)
    [no_file] = tell.tell(LOST, Notify(urls_file=tmp_path / "gone"))

    assert no_variable.state == no_file.state == "failed"
    assert "MY_URLS" in str(no_variable)
    assert str(tmp_path / "gone") in str(no_file)


def test_apprise_is_imported_only_by_who_sends() -> None:
    """So that a night without messages needs none."""
    code = "import sys, tuner.telling.tell\nprint('apprise' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "False\n"


@pytest.mark.parametrize(
    ("version", "said"),
    [(None, "not installed"), ("2.2.0", "2.3 or newer, found 2.2.0"), ("odd", "found odd")],
)
def test_a_missing_or_old_apprise_is_told_with_the_command(
    version: str | None, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One sentence; an old one would open an incident for every message."""
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not _has_apprise(p)])
    if version is not None:
        info = tmp_path / "apprise-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: apprise\nVersion: {version}\n")
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("MY_URLS", "json://127.0.0.1:1")
    [told] = tell.tell(LOST, URLS)

    assert said in str(told)
    assert "pip install 'modelfile-tuner[notify]'" in str(told)


def test_a_courier_that_breaks_off_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An apprise that cannot even be imported fails no night, and shows nothing."""
    info = tmp_path / "apprise-2.3.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: apprise\nVersion: 2.3.0\n")
    (tmp_path / "apprise.py").write_text("raise RuntimeError('broken')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("MY_URLS", "json://127.0.0.1:1")

    assert states(tell.tell(LOST, URLS)) == [
        ("failed", "the program that sends messages ended (1)")
    ]


def _has_apprise(folder: str) -> bool:
    return any(Path(folder).glob("apprise-*.dist-info"))
