"""The parts of a latency sum to it, and each says how it is known."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from tests.evaluate.test_measurement import document, measured
from tests.guard.test_classify import sample
from tuner.evaluate.breakdown import Breakdown, breakdown, detail, request_parts, timings
from tuner.report.breakdown_table import PartsTable, bar
from tuner.spec.values import Sample

MS = 10**6
LLAMACPP = {"prompt_n": 8, "prompt_ms": 20.0, "predicted_n": 11, "predicted_ms": 60.0}
VLLM = {"queue_time_ms": 7.0, "time_to_first_token_ms": 20.0, "generation_time_ms": 60.0}
OLLAMA = {"prompt_eval_duration": 20_000_000, "eval_duration": 60_000_000, "load_duration": 1}


def asked(server: Any = None, **changes: Any) -> Sample:
    """Return a request planned at 0, sent at 5, with text from 40 to 80 and its end at 100 ms."""
    facts: dict[str, Any] = {
        "sent_ns": 5 * MS, "first_ns": 40 * MS, "last_ns": 80 * MS, "end_ns": 100 * MS,
        "output_tokens": 11, "server": server or {},
    }  # fmt: skip
    return sample("{}", **facts | changes)


def found(samples: list[Sample], *, scheduled: bool = False) -> Breakdown:
    """Return their breakdown, which is there."""
    whole = breakdown(samples, scheduled=scheduled)
    assert whole is not None
    return whole


def means(whole: Breakdown) -> dict[str, float]:
    """Return the mean of each part in ms."""
    return {p.name: pytest.approx(p.sum_s / whole.n * 1000) for p in whole.parts}


@pytest.mark.parametrize(
    ("server", "parts"),
    [
        ({}, {"network+queue+prefill": 35.0, "decode": 40.0}),
        (LLAMACPP, {"network+queue": 15.0, "prefill": 20.0, "decode": 40.0}),
        (OLLAMA, {"network+queue": 15.0, "prefill": 20.0, "decode": 40.0}),
        (VLLM, {"network": 8.0, "queue": 7.0, "prefill": 20.0, "decode": 40.0}),
    ],
)
def test_each_engine_s_timings_give_their_parts(server: Any, parts: dict[str, float]) -> None:
    """What an engine tells is measured, what is left is derived, what came after the text is out.

    Of 60 ms of decoding 20 ms came after the last text: E2E does not hold them.
    """
    whole = found([asked(server)])

    assert parts == means(whole)
    assert [p.name for p in whole.parts if p.known == "derived"] == [
        name for name in parts if name.startswith("network") and server
    ]
    assert sum(p.share for p in whole.parts) == pytest.approx(1.0)


def test_tokens_before_the_first_text_are_decoding_and_no_queue() -> None:
    """An engine that decodes 30 ms before anything shows did not let the request wait for them."""
    silent = {**LLAMACPP, "predicted_ms": 75.0, "prompt_ms": 20.0}

    assert means(found([asked(silent, first_ns=75 * MS, end_ns=100 * MS)]))["decode"] == 55.0


def test_open_loop_counts_the_client_s_own_delay() -> None:
    """From the planned time on, 5 ms before sending are a part; in a closed loop they are none."""
    assert "client" not in means(found([asked(LLAMACPP)]))
    assert means(found([asked(LLAMACPP)], scheduled=True))["client"] == 5.0


def test_all_requests_are_taken_apart_alike() -> None:
    """One request without timings leaves all of them as coarse as that one, and none is guessed."""
    mixed = found([asked(LLAMACPP), asked(), asked(VLLM)])

    assert list(means(mixed)) == ["network+queue+prefill", "decode"]
    assert list(means(found([asked(LLAMACPP), asked(VLLM)]))) == [
        "network+queue",
        "prefill",
        "decode",
    ]
    assert detail(asked(LLAMACPP, end_ns=None)) == "client"  # a sample of an older version


def test_failed_requests_have_no_parts() -> None:
    """They are counted beside the table; without a served one there is none."""
    failed = asked(outcome="error", last_ns=None)

    assert (found([asked(), failed]).n, found([asked(), failed]).left_out) == (1, 1)
    assert breakdown([failed], scheduled=False) is None
    assert document(measured([]))["breakdown"] is None


def test_what_an_engine_claims_too_much_is_shown() -> None:
    """An engine that claims 900 ms of 75 ms makes the rest negative, and the table says so."""
    whole = found([asked({**LLAMACPP, "prompt_ms": 900.0}), asked(LLAMACPP)])
    rest = whole.parts[0]

    assert (rest.name, rest.negative) == ("network+queue", 1)
    assert rest.sum_s < 0
    assert "network+queue is negative in 1 requests" in shown(whole)


def test_rates_are_of_the_tokens_that_were_worked_on() -> None:
    """Prefill counts uncached prompt tokens; n tokens are n - 1 steps; untold is no prefill."""
    told, alone = found([asked(LLAMACPP)] * 3), found([asked()] * 3)

    assert told.prefill is not None
    assert told.decode is not None
    assert told.prefill.tokens_per_s == pytest.approx(8 / 0.020)
    assert (told.decode.tokens_per_s, told.decode.known) == (pytest.approx(10 / 0.060), "measured")
    assert alone.prefill is None
    assert alone.decode is not None
    assert (alone.decode.tokens_per_s, alone.decode.known) == (pytest.approx(250.0), "derived")
    assert found([asked(VLLM)]).prefill is None  # vLLM counts cached tokens of the prompt as well


def test_connecting_is_told_beside_the_parts() -> None:
    """How many requests opened a connection, and how long that took, is in no part."""
    whole = found([asked(connect_ns=3 * MS), asked()])

    assert (whole.connects, whole.connecting_s) == (1, pytest.approx(0.003))
    assert "1 request opened a connection first, 3.0 ms" in shown(whole)


ODD = st.none() | st.booleans() | st.text(max_size=3) | st.floats() | st.integers(-5, 10**12)
NAMES = sorted({*LLAMACPP, *VLLM, *OLLAMA})
SERVERS = st.dictionaries(st.sampled_from(NAMES), ODD | st.floats(0, 1e4), max_size=9)


@st.composite
def samples(draw: Any) -> Sample:
    """Return any served request, with any answer of the engine about it."""
    planned, sent, first, last, end = sorted(
        draw(st.lists(st.integers(0, 10**11), min_size=5, max_size=5))
    )
    return asked(
        draw(SERVERS), planned_ns=planned, sent_ns=sent,
        first_ns=draw(st.sampled_from([first, None])), last_ns=last,
        end_ns=draw(st.sampled_from([end, None])),
        output_tokens=draw(st.none() | st.integers(0, 99)),
    )  # fmt: skip


@given(st.lists(samples(), min_size=1, max_size=4), st.booleans())
def test_parts_sum_to_the_latency_of_each_request(several: list[Sample], scheduled: bool) -> None:
    """Whatever an engine claims, nothing is lost; only what is left is negative, and counted."""
    whole = found(several, scheduled=scheduled)
    names = [p.name for p in whole.parts]
    fineness = next(f for f in ("client", "phases", "queue") if f in map(detail, several))
    split = [request_parts(s, fineness, scheduled=scheduled) for s in several]

    for one, request in zip(split, several, strict=True):
        assert list(one) == names
        e2e_s = request.latency_s("e2e", scheduled=scheduled)
        assert sum(one.values()) == pytest.approx(e2e_s, abs=1e-6)
    for part in whole.parts:
        values = [one[part.name] for one in split]
        assert part.negative == sum(v < 0 for v in values)
        assert part.known == "derived" or part.negative == 0


@given(st.dictionaries(st.text(max_size=20), ODD | st.lists(ODD, max_size=2), max_size=5))
def test_no_answer_of_an_engine_breaks_it(server: dict[str, Any]) -> None:
    """Words, lists, NaN, negative numbers where a duration was expected are no timings."""
    assert timings(server) is None
    assert timings({"prompt_ms": float("nan"), "predicted_ms": 1.0}) is None
    assert timings({"prompt_ms": True, "predicted_ms": 1.0}) is None


def shown(whole: Breakdown, **settings: Any) -> str:
    """Return what a terminal of 100 columns shows."""
    console = Console(file=StringIO(), width=100, **settings)
    console.print(PartsTable(whole))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_table_and_the_bar(snapshot: SnapshotAssertion) -> None:
    """Parts with p50, p99, mean and share; the bar in blocks, or in ASCII without colours."""
    whole = found([asked(VLLM)] * 420, scheduled=True)

    assert shown(whole, no_color=True) == snapshot
    drawn, plain = bar(whole.parts, plain=False), bar(whole.parts, plain=True)
    assert plain.isascii()
    assert drawn in shown(whole, no_color=False)
    assert len(drawn) == len(plain) == 60
    assert plain.count("#") == 30  # 40 of 80 ms


def test_the_document_holds_the_breakdown() -> None:
    """A measurement's JSON says each part, how it is known, and its numbers."""
    whole = document(measured([asked(LLAMACPP)] * 20))["breakdown"]

    assert json.loads(json.dumps(whole)) == whole
    assert [(p["part"], p["known"]) for p in whole["parts"]] == [
        ("network+queue", "derived"), ("prefill", "measured"), ("decode", "measured"),
    ]  # fmt: skip
    assert whole["parts"][1]["quantiles"]["0.5"]["value"] == pytest.approx(0.02)
    assert whole["parts"][1]["mean"] == pytest.approx(0.02)
    assert whole["decode"]["known"] == "measured"
