"""What stood in the way of a proof is said with what would decide it."""

from __future__ import annotations

from dataclasses import replace

from tests.workflow.tune.test_turns import STUDY, seen
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.values import Guard, Message
from tuner.workflow.tune.proving.reasons import what_stood_in_the_way


def of_templates(count: int) -> Workload:
    """Return a workload of so many held-out prompts."""
    message = (Message("user", "hello"),)
    return Workload(
        tuple(Template(f"p{i}", message, None, "k", held_out=True) for i in range(count))
    )


def test_missing_pairs_are_counted_and_the_way_to_them_is_named() -> None:
    """Where prompts are left, time decides; where none are, prompts do."""
    now = seen(450, 240)
    enough = replace(STUDY, workload=of_templates(900))
    few = replace(STUDY, workload=of_templates(240))
    (left,), (none,) = (what_stood_in_the_way(s, now, 0.025) for s in (enough, few))

    assert left.startswith("guard: max_drop is UNDECIDED, measured 0.000 [")
    assert "over 240 pairs, asked is -0.02; about " in left
    assert left.endswith("more of the held-out templates would decide it: a larger --budget")
    assert "add prompts" in none


def test_a_floor_that_is_not_met_is_not_promised_by_more_requests() -> None:
    """Answers that are right less often than asked are not shown by asking more."""
    study = replace(STUDY, guard=Guard(0.9, 0.99), workload=of_templates(900))
    now = seen(450, 0, wrong=4)
    now = replace(now, guard=replace(now.guard, verdicts={"min_correct": "UNDECIDED"}))
    study = replace(study, guard=Guard(None, 0.995))
    (said,) = what_stood_in_the_way(study, now, 0.025)

    assert "as measured it is not met" in said


def test_a_baseline_without_answers_is_named_with_what_it_failed_of() -> None:
    """It is no lack of prompts; where it did not fail, time was missing."""
    none = seen(450, 240)
    open_ = replace(none.guard, verdicts={"max_drop": "UNDECIDED"}, pairs=0)
    none = replace(none, guard=open_)
    (died,) = what_stood_in_the_way(STUDY, none, 0.025, "the engine died\nits log")
    (late,) = what_stood_in_the_way(STUDY, none, 0.025)

    assert "no answers of the baseline to compare, since it failed: the engine died; " in died
    assert late.endswith("no time was left for it: a larger --budget")


def test_nothing_measured_is_said_so() -> None:
    """Without a finalist there is one sentence."""
    assert what_stood_in_the_way(STUDY, None, 0.025) == [
        "no candidate could be measured in the time given"
    ]


def test_an_open_target_says_how_many_requests_more_would_decide_it() -> None:
    """Of what is in flight together as many times more, as the certificate counts it."""
    (one,) = what_stood_in_the_way(STUDY, seen(200, 0), 0.025)
    assert "209 more without a late one would decide it" in one


def test_what_failed_is_not_said_to_be_open() -> None:
    """Neither a floor nor a target that was shown to be missed asks for a larger budget."""
    now = seen(450, 240)
    slo, certificate = next(iter(now.certificates.items()))
    now = replace(
        now,
        certificates={slo: replace(certificate, verdict="FAIL")},
        guard=replace(now.guard, verdicts={"max_drop": "FAIL", "min_valid": "PASS"}),
    )
    target, floor = what_stood_in_the_way(STUDY, now, 0.025)

    assert target.startswith(f"latency: {slo} FAILED")
    assert floor.startswith("guard: max_drop FAILED, measured 0.000 [")
    assert "--budget" not in target + floor


def test_a_load_that_the_client_could_not_send_is_a_reason() -> None:
    """Whatever else holds."""
    now = replace(seen(450, 240), saturated="the client itself was busy")

    assert what_stood_in_the_way(STUDY, now, 0.025)[-1] == "the client itself was busy"
