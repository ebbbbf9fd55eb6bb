"""What is told of nights, and what Prometheus reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.guard.test_classify import sample
from tests.telling.recorder import recording
from tuner.engines.files.deployment import FilesDeployment
from tuner.engines.registry import kind_by_name
from tuner.evaluate.duel import Evidence
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.evaluate.night import Challenger, Outcome
from tuner.report.night import night_document
from tuner.spec.address import Address, Url
from tuner.spec.deploy import Deploy
from tuner.spec.notify import Notify
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Slo, Verdict
from tuner.workflow.nightly.asked import Asked
from tuner.workflow.nightly.ledger import Ledger
from tuner.workflow.nightly.tell_people import told

CHALLENGER = Challenger("c", {"n": 2}, 1, 0.01)
STUDY = Study("s", "fake", "default", Workload(()), slos=(Slo("e2e", 0.9, 0.5),), file="s.yaml")

KEPT = Outcome("kept", "nothing is better")
UNDECIDED = Outcome("undecided", "it goes on another night")
SKIPPED = Outcome("skipped", "the window is closed")
HAND = Outcome("skipped", "it was changed by hand", alarm=True)
FAILED = Outcome("failed", "the disk is full")
PROMOTED = Outcome("promoted", "it is better", CHALLENGER)
BACK = Outcome("rolled_back", "a target failed in place")
REPAIRED = replace(KEPT, decision="repaired", repaired="a promotion was cut off")


def compared(incumbent: Verdict) -> Outcome:
    """Return a night that kept what serves, and what it showed of that."""
    return replace(KEPT, challenger=CHALLENGER, evidence=Evidence(incumbent=incumbent))


LOST = compared("FAIL")


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Give a night of a name that nobody is told of yet."""
    (tmp_path / "srv").mkdir()
    deploy = Deploy(tmp_path / "srv", ("true",), Url(Address("127.0.0.1", 9), "/health"), 1.0)
    name = FilesDeployment("api", deploy, kind_by_name("fake"))
    return Asked(STUDY, name, tmp_path / "out")


def nights(asked: Asked, notify: Notify, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Tell of nights one after the other, each written down as a night does it."""
    found, ledger = [], Ledger(asked.out.parent)
    for number, outcome in enumerate(outcomes):
        tonight = replace(
            asked, study=replace(asked.study, notify=notify), out=asked.out / str(number)
        )
        found.append(told(tonight, ledger, outcome))
        ledger.write("night", out=str(tonight.out), **night_document(found[-1], "api"))
    return found


@pytest.mark.parametrize(
    ("outcomes", "titles"),
    [
        ([KEPT, UNDECIDED, SKIPPED, REPAIRED], []),
        ([PROMOTED, KEPT], ["promoted"]),
        ([HAND, KEPT, KEPT], ["failed", "all clear"]),
        ([FAILED, SKIPPED, UNDECIDED], ["failed", "all clear"]),
        ([FAILED, REPAIRED, KEPT], ["failed", "all clear"]),
        ([BACK, PROMOTED, KEPT], ["rolled back", "promoted", "all clear"]),
        ([LOST, KEPT, SKIPPED], ["target lost"]),
        ([LOST, compared("UNDECIDED")], ["target lost"]),
        ([LOST, FAILED, compared("PASS"), KEPT], ["target lost", "failed", "all clear"]),
        ([LOST, PROMOTED], ["target lost", "promoted", "all clear"]),
    ],
)
def test_an_alarm_is_open_until_a_night_shows_that_it_is_over(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, outcomes: list[Outcome], titles: list[str]
) -> None:
    """A night that did nothing resolves nothing, and no data shows that a target is met."""
    with recording() as there:
        monkeypatch.setenv("MY_URLS", f"json://127.0.0.1:{there.port}/")
        nights(asked, Notify(urls_from="MY_URLS"), outcomes)

    assert [sent["title"].rpartition(": ")[2] for sent in there.sent] == titles


def test_a_message_that_is_not_delivered_fails_no_night(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a value, with its reason and without the target's secret; so is a full disk."""
    gone = asked.out.parent / "gone" / "folder"
    with recording(500) as broken:
        monkeypatch.setenv("MY_URLS", f"json://me:5ecret@127.0.0.1:{broken.port}/")
        [found] = nights(asked, Notify(urls_from="MY_URLS", textfile=gone), [FAILED])

    assert found.decision == "failed"
    assert [d.state for d in found.told] == ["failed", "failed"]
    assert "the service answered 500" in str(found.told[0])
    assert "notify.textfile" in str(found.told[1])
    assert "5ecret" not in "".join(map(str, found.told))
    assert night_document(found, "api")["untold"] == 2


def test_without_a_section_nobody_is_told(asked: Asked) -> None:
    """And nothing is written."""
    assert told(asked, Ledger(asked.out.parent), FAILED) == FAILED


def measured(ms: float) -> Measurement:
    """Return a side of which every answer took so long."""
    answers = [
        replace(sample("x", last_ns=int(ms * 1e6)), prompt_id=f"p{i}", cluster=f"p{i}", block=1)
        for i in range(200)
    ]
    return measurement(STUDY, {"n": 1}, Measured(None, tuple(answers)), Terms(0.01))


def metrics(asked: Asked) -> dict[str, float]:
    """Return what Prometheus reads: each sample by its name and labels."""
    [file] = asked.out.parent.glob("*.prom")
    return {
        " ".join(
            [s.name, *(f"{k}={v}" for k, v in sorted(s.labels.items()) if k != "name")]
        ): s.value
        for family in text_string_to_metric_families(file.read_text())
        for s in family.samples
    }


def test_prometheus_reads_the_last_night_and_all_trials(asked: Asked) -> None:
    """What was taken back by day is one night and not two."""
    notify = Notify(textfile=asked.out.parent)
    sides = {"incumbent": measured(800.0), "challenger": measured(100.0)}
    promoted = replace(PROMOTED, evidence=Evidence(9, 0, "PASS"), measured=sides,
                       trials={"complete": 3}, seconds=7.0)  # fmt: skip
    nights(asked, notify, [replace(KEPT, trials={"complete": 2, "pruned": 1}), promoted])
    first = metrics(asked)
    tonight = replace(asked, out=asked.out / "1", study=replace(STUDY, notify=notify))
    told(tonight, Ledger(asked.out.parent), replace(promoted, decision="rolled_back"))
    then = metrics(asked)

    assert first["tuner_retune_decision decision=promoted"] == 1
    assert first["tuner_retune_duration_seconds"] == 7
    assert first["tuner_e2e_seconds quantile=0.99 role=incumbent"] == pytest.approx(0.8)
    assert first["tuner_e2e_seconds quantile=0.99 role=candidate"] == pytest.approx(0.1)
    assert first["tuner_regression metric=e2e"] == 0  # of what serves now
    assert then["tuner_regression metric=e2e"] == 1
    for found in (first, then):
        assert found["tuner_trials_total state=complete"] == 5
        assert found["tuner_trials_total state=pruned"] == 1


def test_a_night_without_a_decision_is_no_success(asked: Asked) -> None:
    """The stamp of the last one that had a decision stays, so that a rule can fire."""
    notify = Notify(textfile=asked.out.parent)
    stamps = []
    for outcomes in ([SKIPPED], [KEPT], [FAILED], [SKIPPED]):
        nights(asked, notify, outcomes)
        found = metrics(asked)
        stamps.append(found.get("tuner_retune_last_success_timestamp_seconds"))

    assert stamps[0] is None
    assert stamps[1] is not None
    assert stamps[2] == stamps[3] == pytest.approx(stamps[1], abs=2)
    assert "tuner_regression metric=e2e" not in metrics(asked)
