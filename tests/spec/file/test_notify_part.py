"""The section `notify`: whom a study tells, and that it holds no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tuner.spec.errors import InputError
from tuner.spec.notify import EVENT_KINDS, Notify
from tuner.spec.study import load

SECRET = "5ecret00"


def notify(folder: Path, section: Any) -> Notify | None:
    """Return what a study in `folder/study` says of whom it tells."""
    (folder / "study").mkdir(exist_ok=True)
    (folder / "study" / "p.jsonl").write_text('{"template": "one"}\n')
    content = {"version": 1, "name": "x", "engine": {"kind": "fake"},
               "workload": {"prompts": "p.jsonl"}, "notify": section}  # fmt: skip
    path = folder / "study" / "tune.yaml"
    path.write_text(yaml.safe_dump(content))
    return load(path).notify


def test_a_variable_is_told_of_everything(tmp_path: Path) -> None:
    """Without `events`."""
    found = notify(tmp_path, {"urls_from": "TUNE_NOTIFY_URLS"})

    assert found == Notify("TUNE_NOTIFY_URLS", None, EVENT_KINDS, None)
    assert found.tells


def test_paths_count_from_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~ is the user's folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = notify(
        tmp_path, {"urls_file": "../urls", "textfile": "~/metrics", "events": ["failed"]}
    )

    assert found is not None
    assert found.urls_file is not None
    assert found.urls_file.resolve() == tmp_path / "urls"
    assert found.textfile == tmp_path / "home" / "metrics"
    assert found.events == ("failed",)


def test_metrics_may_stand_alone(tmp_path: Path) -> None:
    """Then nobody gets messages."""
    found = notify(tmp_path, {"textfile": "/var/lib/node_exporter"})

    assert found is not None
    assert not found.tells


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "notify: tells nobody; add urls_from, urls_file or textfile"),
        ({"urls_from": "A", "urls_file": "../b"}, "notify: name one of urls_from and urls_file"),
        ({"urls_from": f"slack://{SECRET}"}, "notify.urls_from: expected the name of an environ"),
        ({"urls_from": [f"slack://{SECRET}"]}, "notify.urls_from: expected text"),
        (f"slack://{SECRET}", "notify: expected a mapping"),
        ({"urls": f"slack://{SECRET}"}, "notify.urls: unknown key 'urls'; allowed here: urls_from"),
        ({"urls_from": "A", "events": [SECRET]}, "notify.events.0: expected 'promoted', "),
        ({"urls_from": "A", "events": []}, "notify.events: empty"),
        ({"urls_file": "urls"}, "lies in the study's folder"),
        ({"urls_file": "../study/sub/urls"}, "lies in the study's folder"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(tmp_path: Path, section: Any, said: str) -> None:
    """Where it stands, and what is allowed there."""
    with pytest.raises(InputError) as refused:
        notify(tmp_path, section)

    assert said in str(refused.value)
    assert "tune.yaml" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_whom_it_tells_makes_no_study_another(tmp_path: Path) -> None:
    """A run goes on, and measurements stay comparable."""
    from tuner.spec.identity import declared

    notify(tmp_path, {"urls_from": "A"})
    one = load(tmp_path / "study" / "tune.yaml")
    notify(tmp_path, {"urls_from": "B"})
    other = load(tmp_path / "study" / "tune.yaml")

    assert declared(one) == declared(other)
