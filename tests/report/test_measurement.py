"""A measurement leads with whether its target was met; its terms are said on request."""

from __future__ import annotations

from dataclasses import replace

from tests.evaluate.test_measurement import STUDY, measured, served
from tuner.report.measurement import show_measurement
from tuner.report.result import as_text

TERMS = ("Warm-up", "Terms:", "at every n", "Known by:", "Verdicts on latency speak of")


def test_the_answer_comes_first_and_the_terms_on_request() -> None:
    """What a reader needs in order to doubt the figures stands in the short form."""
    found = measured(served(400))
    short, full = (
        " ".join(as_text(show_measurement(found, STUDY, verbose=v)).split()) for v in (False, True)
    )

    assert short.startswith("PROVEN: fewer than 1 % of requests take longer than 500 ms")
    assert "0 of 400 did, p99 100 [100, 100] ms, 95.0% confidence." in short
    assert "400 requests from" in short and "1 engine start" in short
    assert "closed loop, concurrency 1; latencies count from sending" in short
    assert not [words for words in TERMS if words in short]
    assert not [words for words in TERMS if words not in full]


def test_without_a_target_nothing_is_proven() -> None:
    """The study asked for figures only."""
    bare = replace(STUDY, slos=())

    shown = as_text(show_measurement(measured(served(400)), bare))
    assert shown.startswith("MEASURED: the study has no target to meet.")


def test_a_client_that_could_not_keep_up_proves_nothing() -> None:
    """That stands right below the first line."""
    shown = as_text(show_measurement(replace(measured(served(400)), saturated="too slow"), STUDY))

    assert shown.startswith("NOT PROVEN (UNDECIDED): it is open whether")
    assert "\nINVALID: too slow.\n" in shown
