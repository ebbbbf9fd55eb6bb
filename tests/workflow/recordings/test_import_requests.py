"""A recording becomes prompts: each text once with its weight, redacted, split by conversation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.recordings import written
from tests.workflow.recordings.written import CHATS, WRITERS, body
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import visits
from tuner.spec.requests.workload_files import MOST_VISITS
from tuner.spec.requests.workload_lines import template_of
from tuner.workflow.recordings.import_requests import (
    AskedRequests,
    ImportedRequests,
    import_requests,
    least_weight,
)
from tuner.workflow.recordings.mix_file import read_mix


def imported(folder: Path, path: Path, format_: str = "chat", **asked: Any) -> ImportedRequests:
    """Import a recording."""
    return import_requests(AskedRequests(path, format_, folder / "out" / "requests.jsonl", **asked))


def prompts(done: ImportedRequests) -> list[dict[str, Any]]:
    """Return the lines that were written, each of which a study can read."""
    lines = [json.loads(line) for line in done.out.read_text(encoding="utf-8").splitlines()]
    assert [template_of(line, f"{done.out}:1", None).id for line in lines] == [
        line["id"] for line in lines
    ]
    return lines


def said(line: dict[str, Any]) -> str:
    """Return the last words of a prompt."""
    return str(line["messages"][-1]["content"])


def asking(*texts: str) -> list[dict[str, Any]]:
    """Return bodies of requests."""
    return [body((("user", text),)) for text in texts]


@pytest.mark.parametrize("format_", WRITERS)
def test_each_format_becomes_prompts_and_a_mix(format_: str, tmp_path: Path) -> None:
    """Three requests of two conversations."""
    done = imported(tmp_path, WRITERS[format_](tmp_path, [body(c) for c in CHATS]), format_)

    assert [said(line) for line in prompts(done)] == [
        "Name a colour", "And another one", "Count to three",
    ]  # fmt: skip
    assert (done.requests, done.conversations, done.held_out) == (3, 2, 0)
    assert read_mix(done.mix_out) == done.mix
    there = sorted(p.name for p in done.out.parent.iterdir())
    assert there == ["requests.jsonl", "requests.mix.json"]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30))
def test_weights_are_how_often_a_text_came(
    tmp_path_factory: pytest.TempPathFactory, texts: Sequence[str]
) -> None:
    """Each text stands once, where it came first."""
    folder = tmp_path_factory.mktemp("weights")

    found = prompts(imported(folder, written.chat(folder, asking(*texts))))

    assert {said(line): line["weight"] for line in found} == Counter(texts)
    assert [said(line) for line in found] == list(dict.fromkeys(texts))
    assert [line["id"] for line in found] == [f"line-{texts.index(said(p)) + 1}" for p in found]


def test_texts_that_differ_in_nothing_that_is_read_are_alike(tmp_path: Path) -> None:
    """Line breaks, space around, letters composed; what is sent is the first as it came."""
    texts = ("one\ntwo é", " one\r\ntwo é\n", "one\rtwo e\u0301", "one two é", "One\ntwo é")

    found = prompts(imported(tmp_path, written.chat(tmp_path, asking(*texts))))

    assert [(said(p), p["weight"]) for p in found] == [
        ("one\ntwo é", 3), ("one two é", 1), ("One\ntwo é", 1),
    ]  # fmt: skip


def test_texts_that_are_alike_once_redacted_are_one(tmp_path: Path) -> None:
    """Who asked makes no difference."""
    texts = ("Mail a@b.co", "Mail c@d.co")

    [found] = prompts(imported(tmp_path, written.chat(tmp_path, asking(*texts))))

    assert (said(found), found["weight"]) == ("Mail <email>", 2)


def test_the_same_text_of_two_kinds_is_two_prompts(tmp_path: Path) -> None:
    """A kind may depend on more than the text."""
    (tmp_path / "rules.yaml").write_text("kinds: {fast: {at: request.metadata.tier, is: fast}}")
    bodies = [body(CHATS[0], metadata={"tier": tier}) for tier in ("fast", "slow", "fast")]

    found = prompts(
        imported(tmp_path, written.chat(tmp_path, bodies), rules=tmp_path / "rules.yaml")
    )

    assert [(p["kind"], p["weight"]) for p in found] == [("fast", 2), ("other", 1)]


conversations = st.lists(
    st.lists(st.sampled_from(["hi", "who", "why", "x", "y", "z"]), min_size=1, max_size=4),
    min_size=1,
    max_size=15,
)


@given(conversations, st.integers(0, 3), st.booleans())
def test_a_conversation_lies_on_one_side(
    tmp_path_factory: pytest.TempPathFactory, told: list[list[str]], seed: int, named: bool
) -> None:
    """All of its requests, with ids and without; the same side each time."""
    folder = tmp_path_factory.mktemp("split")
    bodies, whose = [], []
    for number, texts in enumerate(told):
        for n in range(len(texts)):
            turns = [t for text in texts[:n] for t in (("user", text), ("assistant", "ok"))]
            beside = {"metadata": {"conversation_id": f"c{number}"}} if named else {}
            bodies.append(body((*turns, ("user", texts[n])), **beside))
            whose.append(number)
    path = written.chat(folder, bodies)
    try:
        done = imported(folder, path, held_out=True, seed=seed)
    except InputError as refused:
        assert "one side" in str(refused)
        return
    found = prompts(done)
    side = {json.dumps(p["messages"]): p.get("held_out", False) for p in found}

    sides = [(n, side[json.dumps(b["messages"])]) for n, b in zip(whose, bodies, strict=True)]
    assert len(set(sides)) == len(told)
    assert imported(folder, path, held_out=True, seed=seed, force=True).out.read_text() == "".join(
        json.dumps(p, ensure_ascii=False) + "\n" for p in found
    )


def test_a_split_needs_two_conversations(tmp_path: Path) -> None:
    """Nothing is written where all would lie on one side."""
    with pytest.raises(InputError, match="one side of the split"):
        imported(tmp_path, written.chat(tmp_path, asking("one", "one")), held_out=True)

    assert not any((tmp_path / "out").iterdir())


def test_one_conversation_of_most_requests_is_named(tmp_path: Path) -> None:
    """Where all begin with the same words of the user."""
    turns = (("user", "These are your instructions."), ("assistant", "Yes."))
    bodies = [body((*turns, ("user", f"task {n}"))) for n in range(9)]

    done = imported(
        tmp_path,
        written.chat(tmp_path, [*bodies, *asking(*(f"q{n}" for n in range(6)))]),
        held_out=True,
        seed=1,
    )

    assert any("9 of 15 requests count as one conversation" in note for note in done.notes)


def test_a_few_broken_lines_are_reported(tmp_path: Path) -> None:
    """With file and line; the others are read."""
    path = written.chat(tmp_path, asking(*(f"q{n}" for n in range(40))))
    path.write_text(path.read_text() + "{\n[]\n" + '{"messages": [{"role"')

    done = imported(tmp_path, path)

    assert done.requests == 40
    assert any(f"broken and left out: 2 ({path}:41: not valid" in note for note in done.notes)
    assert any(f"breaks off and is left out: {path}:43" in note for note in done.notes)


def test_what_has_no_place_is_counted_by_its_reason(tmp_path: Path) -> None:
    """And so are the fields beside the messages."""
    tool = {"messages": [{"role": "tool", "content": "4"}]}
    bodies = [*asking("one"), tool, tool, body(CHATS[0], temperature=0, tools=[], max_tokens=9)]

    done = imported(tmp_path, written.chat(tmp_path, bodies))

    assert "left out, since a prompts file has no place for them: 2 holds the answer of a tool" in (
        done.notes
    )
    assert (
        "fields that a prompts file has no place for: max_tokens of 1, temperature of 1, tools of 1"
        in done.notes
    )


@pytest.mark.parametrize("text", ["", "\n\n", '{"messages": [{"role": "tool"}]}\n'])
def test_a_recording_of_nothing_is_refused(text: str, tmp_path: Path) -> None:
    """With what was found instead."""
    path = tmp_path / "chat.jsonl"
    path.write_text(text)

    with pytest.raises(InputError, match="no chat request in it that can be used"):
        imported(tmp_path, path)


def test_the_mix_is_of_the_last_day_or_of_a_window(tmp_path: Path) -> None:
    """Prompts are of all of it."""
    told = [{"at_s": 3600.0 * n, **one} for n, one in enumerate(asking(*map(str, range(40))))]
    path = written.lines(tmp_path / "chat.jsonl", told)

    day, hour = imported(tmp_path, path), imported(tmp_path, path, window_s=3600.0, force=True)

    assert (day.prompts, day.mix.requests, hour.mix.requests) == (40, 24, 1)


def test_requests_without_a_time_are_named(tmp_path: Path) -> None:
    """Where others have one: nobody knows whether they came in the window."""
    told = [{"at_s": 1.0, **asking("one")[0]}, *asking("two", "three")]

    done = imported(tmp_path, written.lines(tmp_path / "chat.jsonl", told))

    assert (done.prompts, done.mix.requests) == (3, 1)
    assert "without a time, and so in the prompts and not in the mix: 2" in done.notes


def test_a_window_without_times_is_refused(tmp_path: Path) -> None:
    """A batch's input has none."""
    with pytest.raises(InputError, match="--window has no meaning"):
        imported(tmp_path, written.batch(tmp_path, asking("one")), "openai-batch", window_s=60.0)


def test_of_too_many_prompts_some_are_drawn(tmp_path: Path) -> None:
    """The same ones each time, with their weights; the mix is of all of them."""
    path = written.chat(tmp_path, asking(*(str(n % 30) for n in range(60))))

    one, other = (imported(tmp_path, path, most=10, seed=s, force=True) for s in (0, 0))
    shown = {said(line) for line in prompts(other)}
    third = imported(tmp_path, path, most=10, seed=1, force=True)

    assert one.prompts == other.prompts == 10 and one.mix.requests == 60
    assert {line["weight"] for line in prompts(third)} == {2}
    assert {said(line) for line in prompts(third)} != shown


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=50))
def test_a_study_can_draw_the_weights(counts: list[int]) -> None:
    """However unlike they are, the lightest comes again soon enough; as little is raised as can."""
    least = least_weight(counts)
    lines = [
        {"template": "x", "id": f"p{n}", "weight": max(count, least)}
        for n, count in enumerate(counts)
    ]
    templates = [template_of(line, "f:1", None) for line in lines]

    assert sum(visits(templates).values()) <= MOST_VISITS + len(counts)
    assert least == min(counts) or sum(max(n, least // 2) * 2 / least for n in counts) > MOST_VISITS


def test_the_first_requests_alone_are_read(tmp_path: Path) -> None:
    """The rest of a large file is not looked at."""
    path = written.chat(tmp_path, asking("one", "two"))
    path.write_text(path.read_text() + "{broken\n")

    assert imported(tmp_path, path, first=2).requests == 2


@pytest.mark.parametrize("name", ["requests.jsonl", "requests.mix.json"])
def test_what_is_there_is_not_overwritten(name: str, tmp_path: Path) -> None:
    """Neither prompts nor mix, without --force."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    path = written.chat(tmp_path, asking("one"))

    with pytest.raises(InputError, match="is not overwritten"):
        imported(tmp_path, path)

    assert (tmp_path / "out" / name).read_text() == "mine"
    assert imported(tmp_path, path, force=True).prompts == 1
