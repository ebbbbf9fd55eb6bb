"""Recordings of five formats: each request is read as it is meant, or named with what is wrong."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.recordings import written
from tests.workflow.recordings.written import BEGIN_S, CHATS, TOKENS, WRITERS, body, payload
from tuner.spec.errors import InputError
from tuner.workflow.recordings.formats import FORMATS
from tuner.workflow.recordings.told import Broken, Chat, Told

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "messages", "body", "url", "type", "text", "input"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def read(format_: str, path: Path, answers: Path | None = None) -> list[Told]:
    """Return the records of a file, none of them broken."""
    found = list(FORMATS[format_].told(path, answers))
    assert not [one for one in found if isinstance(one, Broken)], found
    return [one for one in found if isinstance(one, Told)]


def turns(chat: Chat) -> list[tuple[str, str]]:
    """Return who says what."""
    return [(m.role, m.content) for m in chat.messages]


@pytest.mark.parametrize("format_", WRITERS)
def test_each_format_tells_the_same_chats(format_: str, tmp_path: Path) -> None:
    """Texts, roles and turns are what was asked, whoever wrote it down."""
    path = WRITERS[format_](tmp_path, [body(c, temperature=0.5) for c in CHATS])

    found = [FORMATS[format_].chat(told.record) for told in read(format_, path)]

    assert [turns(chat) for chat in found] == [list(chat) for chat in CHATS]
    assert {chat.beside for chat in found} == {("temperature",)}


@pytest.mark.parametrize(
    ("format_", "times"),
    [
        ("chat", [BEGIN_S, BEGIN_S + 60, BEGIN_S + 120]),
        ("openai-batch", [None] * 3),
        ("ollama-requests", [1893553441.123456789 + n for n in range(3)]),
        ("litellm", [BEGIN_S, BEGIN_S + 60, BEGIN_S + 120]),
    ],
)
def test_times_are_read_where_a_format_has_them(
    format_: str, times: list[float | None], tmp_path: Path
) -> None:
    """In seconds; None is unknown."""
    path = WRITERS[format_](tmp_path, [body(c) for c in CHATS])

    assert [told.at_s for told in read(format_, path)] == pytest.approx(times)


def test_a_log_without_years_goes_on_over_new_year(tmp_path: Path) -> None:
    """VLLM writes month and day only."""
    path = tmp_path / "vllm.log"
    asked = f"Request a JSON body: {json.dumps(body(CHATS[0]))}"
    path.write_text(
        f"INFO 12-31 23:59:50 [a.py:1] {asked}\nINFO 01-01 00:00:20 [a.py:1] {asked}\n"
        f"\x1b[0;36m(APIServer pid=7)\x1b[0;0m DEBUG 01-01 00:00:21 [a.py:1] {asked}\n{asked}\n"
    )

    first, second, third, none = (told.at_s for told in read("vllm-log", path))

    assert first is not None and second is not None and third is not None and none is None
    assert (second - first, third - second) == (30.0, 1.0)


def test_a_prompt_that_looks_like_a_line_of_the_log_is_none(tmp_path: Path) -> None:
    """Only what stands first in a line says what it is."""
    asked = json.dumps(body((("user", "[x] Request b JSON body: {"),)))
    path = tmp_path / "vllm.log"
    path.write_text(
        written.log_line(1, "Request c-1 details: prompt: '[x] Request b JSON body: {'")
        + written.log_line(2, f"Request a JSON body: {asked}")
    )

    [told] = read("vllm-log", path)

    assert FORMATS["vllm-log"].chat(told.record).asked == "[x] Request b JSON body: {"


def test_a_log_of_objects_is_read_as_well(tmp_path: Path) -> None:
    """With `--logging-config.formatter json` vLLM writes them."""
    asked = f"Request a JSON body: {json.dumps(body(CHATS[0]))}"
    told = [
        {"asctime": f"2030-01-02 03:04:0{n},500", "levelname": "DEBUG", "message": text}
        for n, text in enumerate(["Starting", asked, asked])
    ]

    first, second = read("vllm-log", written.lines(tmp_path / "vllm.log", told))

    assert turns(FORMATS["vllm-log"].chat(first.record)) == list(CHATS[0])
    assert (first.at_s, second.at_s) == (1893553441.5, 1893553442.5)


@pytest.mark.parametrize("format_", ["chat", "litellm"])
def test_the_length_of_an_answer_is_what_the_server_told(format_: str, tmp_path: Path) -> None:
    """In tokens, by `usage`."""
    path = WRITERS[format_](tmp_path, [body(c) for c in CHATS])

    assert {told.answer_tokens for told in read(format_, path)} == {TOKENS}


def test_the_output_of_a_batch_tells_times_and_lengths(tmp_path: Path) -> None:
    """Found by custom_id, in whatever order; a request without an answer stays without."""
    path = written.batch(tmp_path, [body(c) for c in CHATS])
    answers = written.batch_output(tmp_path, 2)
    answers.write_text("".join(reversed(answers.read_text().splitlines(keepends=True))))

    found = read("openai-batch", path, answers)

    assert [told.at_s for told in found] == [BEGIN_S, BEGIN_S + 1, None]
    assert [told.answer_tokens for told in found] == [TOKENS, TOKENS, None]


def test_an_answer_at_the_end_of_a_chat_is_no_part_of_the_request() -> None:
    """As files for fine-tuning have it."""
    found = FORMATS["chat"].chat(body((*CHATS[0], ("assistant", "Red"))))

    assert turns(found) == list(CHATS[0])


@pytest.mark.parametrize(
    ("line", "at_s"),
    [
        ({"at_s": 12.5}, 12.5),
        ({"at_ms": 1500}, 1.5),
        ({"at": "1970-01-01T00:01:00Z"}, 60.0),
        ({"at": "1970-01-01 00:01:00"}, 60.0),
        ({"at": "noon"}, None),
        ({"at": 7}, 7.0),
        ({"response": {"created": -1}}, None),
        ({"response": {"created": True}}, None),
        ({"response": "Red"}, None),
    ],
)
def test_a_line_of_chat_may_tell_its_time(
    line: dict[str, Any], at_s: float | None, tmp_path: Path
) -> None:
    """Beside the body, or in the answer."""
    path = written.lines(tmp_path / "chat.jsonl", [body(CHATS[0]) | line])

    [told] = read("chat", path)

    assert told.at_s == at_s
    assert turns(FORMATS["chat"].chat(told.record)) == list(CHATS[0])


@pytest.mark.parametrize(
    ("route", "given", "said"),
    [
        ("api_generate", {"prompt": "Hi", "system": "Be kind."}, ["Be kind.", "Hi"]),
        ("v1_completions", {"prompt": "Hi"}, ["Hi"]),
        ("v1_chat_completions", {"messages": [{"role": "user", "content": "Hi"}]}, ["Hi"]),
        (
            "v1_messages",
            {
                "system": [{"type": "text", "text": "Be kind."}],
                "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            },
            ["Be kind.", "Hi"],
        ),
        ("v1_responses", {"instructions": "Be kind.", "input": "Hi"}, ["Be kind.", "Hi"]),
        (
            "v1_responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]},
            ["Hi"],
        ),
    ],
)
def test_each_route_of_ollama_becomes_messages(
    route: str, given: dict[str, Any], said: list[str], tmp_path: Path
) -> None:
    """As Ollama itself makes them of its routes."""
    path = written.folder_of_bodies(tmp_path, [given], route)

    [told] = read("ollama-requests", path)

    assert [m.content for m in FORMATS["ollama-requests"].chat(told.record).messages] == said


@pytest.mark.parametrize("form", ["array", "folder"])
def test_payloads_of_litellm_come_in_arrays_and_in_files(form: str, tmp_path: Path) -> None:
    """As its callbacks write them: `json_array`, and one object a file in a bucket."""
    told = [payload(body(chat), float(n)) for n, chat in enumerate(CHATS)]
    path = tmp_path / "logs"
    if form == "array":
        path.write_text(json.dumps(told, indent=2))
    for n, one in enumerate(told if form == "folder" else ()):
        (path / "2030-01-02").mkdir(parents=True, exist_ok=True)
        (path / "2030-01-02" / f"time-{n}.json").write_text(json.dumps(one, indent=1))

    assert [one.at_s for one in read("litellm", path)] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "messages: expected a list of messages"),
        ({"messages": []}, "messages: expected a list of messages"),
        ({"messages": ["mine"]}, "messages.0: expected an object"),
        ({"messages": [{"role": "mine", "content": "x"}]}, "messages.0.role: expected one of"),
        ({"messages": [{"role": ["mine"], "content": "x"}]}, "messages.0.role: expected one of"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content: expected text"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages.0.content.0: expected a part"),
        ({"request": {}}, "messages: expected"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(record: dict[str, Any], said: str) -> None:
    """And never repeated: nobody knows what it is."""
    with pytest.raises(InputError) as error:
        FORMATS["chat"].chat(record)

    assert said in str(error.value)
    assert "mine" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"messages": [{"role": "user", "content": "mine"}]', "not valid JSON"),
        (b'{"mine": 1, "mine": 2}', "a key that stands twice"),
        (b'{"messages": "mine \xff"}', "half a character"),
        (b'{"n": NaN}', "a number that is none"),
        (b'"mine"', "expected one object"),
        (b"[" * 100_000, "than can be read"),
    ],
)
@pytest.mark.parametrize("format_", ["chat", "openai-batch", "litellm"])
def test_a_broken_line_is_named_and_not_repeated(
    format_: str, text: bytes, said: str, tmp_path: Path
) -> None:
    """By file and line."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"{}\n" + text + b"\n")

    found = [one for one in FORMATS[format_].told(path, None) if isinstance(one, Broken)]

    assert said in found[-1].why and f"{path}:2" in found[-1].why
    assert not any("mine" in one.why for one in found)


def test_a_body_that_vllm_cut_is_broken(tmp_path: Path) -> None:
    """--max-log-len cuts at a number of characters."""
    path = tmp_path / "vllm.log"
    path.write_text(written.log_line(1, 'Request a JSON body: {"messages": [{"role": "us'))

    [found] = FORMATS["vllm-log"].told(path, None)

    assert isinstance(found, Broken) and "--max-log-len" in found.why


@pytest.mark.parametrize(
    "text",
    [
        "Received request c-1: params: SamplingParams(n=1), lora_request: None.",
        "Received request c-1: prompt: '<s>Hi', params: SamplingParams(n=1)",
        "Request c-1 details: prompt: '<s>Hi', prompt_token_ids: [1]",
    ],
)
def test_a_log_without_bodies_is_refused_with_what_to_do(text: str, tmp_path: Path) -> None:
    """VLLM writes them at DEBUG only; a prompt behind its template is no request."""
    path = tmp_path / "vllm.log"
    path.write_text(written.log_line(1, text))

    with pytest.raises(InputError, match="VLLM_LOGGING_LEVEL=DEBUG") as error:
        list(FORMATS["vllm-log"].told(path, None))

    assert "Hi" not in str(error.value)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_that_is_not_there_is_refused(format_: str, tmp_path: Path) -> None:
    """In a sentence."""
    with pytest.raises(InputError, match="nowhere"):
        list(FORMATS[format_].told(tmp_path / "nowhere", None))


@given(JSON)
def test_no_record_raises_anything_but_input_errors(record: Any) -> None:
    """Whatever JSON it is."""
    for form in FORMATS.values():
        for one in (record, {"body": record, "messages": record, "url": "/v1/chat/completions"}):
            with contextlib.suppress(InputError):
                form.chat(one if isinstance(one, dict) else {"messages": one})


@given(st.lists(st.text(max_size=40).map(str.encode) | st.binary(max_size=40), max_size=5))
def test_no_file_raises_anything_but_input_errors(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    """Whatever bytes it holds."""
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(b"\n".join(lines) + b"\nRequest a JSON body: " + b"".join(lines))
    for form in FORMATS.values():
        with contextlib.suppress(InputError):
            list(form.told(path, path if form.has_answers else None))
