"""Lines of prompts.jsonl and shots.jsonl: whole, or refused with file, line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.test_study import write
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import Workload
from tuner.spec.requests.workload_lines import shot_of, template_of
from tuner.spec.study import load

USER = {"role": "user", "content": "there"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"template": None}, "template: expected text, found None"),
        ({"template": 5}, "template: expected text, found 5"),
        ({"template": ["a"]}, "template: expected text, found ['a']"),
        ({"template": " \n"}, "template: the text is empty"),
        ({"held_out": "false"}, "held_out: expected true or false, found 'false'"),
        ({"held_out": 1}, "held_out: expected true or false, found 1"),
        ({"held_out": None}, "held_out: expected true or false"),
        ({"weight": float("nan")}, "weight: expected a finite number"),
        ({"weight": float("inf")}, "weight: expected a finite number"),
        ({"weight": 10**400}, "weight: expected a finite number"),
        ({"weight": -1}, "weight: expected greater than 0, found -1"),
        ({"weight": True}, "weight: expected a number, found True"),
        ({"weight": "3"}, "weight: expected a number, found '3'"),
        ({"weight": "1e2"}, "write 100 or 1.0e+2"),
        ({"at_s": float("nan")}, "at_s: expected a finite number"),
        ({"at_s": "1"}, "at_s: expected a number, found '1'"),
        ({"output_tokens": 0}, "output_tokens: expected a whole number of tokens, 1 or more"),
        ({"output_tokens": 4.0}, "output_tokens: expected a whole number of tokens"),
        ({"output_tokens": True}, "output_tokens: expected a whole number of tokens"),
        ({"output_tokens": "4"}, "output_tokens: expected a whole number of tokens"),
        ({"prompt_tokens": -1}, "prompt_tokens: expected a whole number of tokens"),
        ({"counted_by": "me"}, "counted_by: expected 'tokenizer', 'server' or 'estimate'"),
        ({"kind": 5}, "kind: expected text, found 5"),
        ({"kind": None}, "kind: expected text, found None"),
        ({"id": None}, "id: expected text or a whole number, found None"),
        ({"id": [1]}, "id: expected text or a whole number, found [1]"),
        ({"conversations": []}, "conversations: unknown key"),
        ({"messages": [USER]}, "the line: expected an object with either template or messages"),
    ],
)
def test_a_line_s_fields_are_checked(changes: dict[str, Any], said: str) -> None:
    """The field, what was found and what is expected stand after the place."""
    with pytest.raises(InputError) as error:
        template_of({"template": "a"} | changes, "p.jsonl:3", None)

    assert str(error.value).startswith("p.jsonl:3: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "User", "content": "a"}, USER], "messages.0.role: expected 'system', 'user' or"),
        ([{"role": "human", "content": "a"}, USER], "messages.0.role: expected 'system', 'user'"),
        ([{"role": "tool", "content": "a"}, USER], "'assistant', found 'tool'"),
        ([{"role": None, "content": "a"}, USER], "messages.0.role: "),
        ([{"from": "human", "value": "hi"}], "messages.0.from: unknown key 'from'; allowed here"),
        ([{**USER, "images": []}], "messages.0.images: unknown key 'images'"),
        ([{"role": "user", "content": [{"text": "a"}]}], "messages.0.content: expected text"),
        ([{"role": "user"}], "messages.0.content: missing"),
        (["hi"], "messages.0: expected a mapping"),
        ("hi", "messages: expected a list"),
        (None, "messages: expected a list"),
        ([], "the last message must be the user's"),
        ([USER, {"role": "assistant", "content": "x"}], "the last message must be the user's"),
    ],
)
def test_messages_are_those_that_a_server_takes(messages: Any, said: str) -> None:
    """Other roles and parts of a message are named with their place."""
    with pytest.raises(InputError) as error:
        template_of({"messages": messages}, "p.jsonl:1", None)

    assert said in str(error.value)


@given(st.text(min_size=1).filter(str.strip), st.booleans(), st.integers(1, 99))
def test_a_good_line_is_what_it_says(text: str, held_out: bool, number: int) -> None:
    """Nothing of it is changed; a number names it as well as a word."""
    line = {"template": text, "held_out": held_out, "id": number, "weight": number, "expect": None}
    found = template_of(line, "p.jsonl:1", None)

    assert (found.messages[0].content, found.held_out) == (text, held_out)
    assert (found.id, found.weight, found.expect) == (str(number), number, None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"id": "a", "user": "u"}, "assistant: missing"),
        ({"id": "a", "user": None, "assistant": "v"}, "user: expected text, found None"),
        ({"id": "a", "user": "u", "assistant": None}, "assistant: expected text, or JSON"),
        ({"id": True, "user": "u", "assistant": "v"}, "id: expected text or a whole number"),
        ({"id": "a", "user": "u", "assistent": "v"}, "did you mean assistant?"),
        (["a"], "found an array; expected one object a line"),
        ("a", "expected one object a line, found 'a'"),
    ],
)
def test_shots_are_checked_too(line: Any, said: str) -> None:
    """An example that would be sent as `None` is none."""
    with pytest.raises(InputError) as error:
        shot_of(line, "s.jsonl:1")

    assert said in str(error.value)


@pytest.mark.parametrize("answer", ["text", {"a": [1, None]}, ["ü"], 5, False])
def test_a_shot_s_answer_may_be_json(answer: Any) -> None:
    """It becomes the text that a model would have written."""
    found = shot_of({"id": 1, "user": "u", "assistant": answer}, "s.jsonl:1")

    assert answer in (found.assistant, json.loads(found.assistant if answer != "text" else "0"))


def read(folder: Path, prompts: str | bytes, shots: str = "") -> Workload:
    """Return the workload of files as they are given."""
    files = {"prompts": "p.jsonl"} | ({"prompt": {"shots": "s.jsonl"}} if shots else {})
    path = write(folder, workload=files)
    (folder / "p.jsonl").write_bytes(prompts if isinstance(prompts, bytes) else prompts.encode())
    (folder / "s.jsonl").write_text(shots)
    return load(path).workload


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ('[\n {"conversations": [{"from": "human", "value": "hi"}]}\n]', "p.jsonl: expected one"),
        ('[\n{"template": "a"},\n{"template": "b"}\n]\n', "this is one array over several lines"),
        ('[{"template": "a"}, {"template": "b"}]', "p.jsonl:1: found an array; expected one obj"),
        ('{"template": "a"}\n["b"]', "p.jsonl:2: found an array"),
        ('{\n "template": "a"\n}', "p.jsonl:1: not valid JSON"),
        ('{"template": "a"}\n5', "p.jsonl:2: expected one object a line, found 5"),
        ('{"template": "nice \\ud83d day"}', r"p.jsonl:1: template: holds half a character"),
        ('{"template": "a", "template": "b"}', "p.jsonl:1: 'template' stands twice"),
        ('{"template": "a", "weight": NaN}', "p.jsonl:1: weight: expected a finite number"),
        ('{"template": "a", "weight": 1e-9}\n{"template": "b"}', "weight: with 1e-09 as the least"),
        ("\n \n", "empty; expected one JSON object a line"),
    ],
)
def test_files_that_are_no_lines_of_objects(tmp_path: Path, prompts: str, said: str) -> None:
    """Arrays, as ShareGPT's files are, and what no line may hold."""
    with pytest.raises(InputError) as error:
        read(tmp_path, prompts)

    assert said in str(error.value)


def test_a_shot_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Of two with one id a rule could not say which it means."""
    shot = '{"id": "a", "user": "u", "assistant": "v"}\n'

    with pytest.raises(InputError, match=r"s\.jsonl:2: id: a shot 'a' stands above"):
        read(tmp_path, '{"template": "a"}', shot * 2)


def test_byte_order_marks_and_carriage_returns_are_no_text(tmp_path: Path) -> None:
    """Files of other editors are read, also two of them put together."""
    one = b'\xef\xbb\xbf{"template": "a"}\r\n'
    found = read(tmp_path, one + one, '\ufeff{"id": "a", "user": "u", "assistant": "v"}\n')

    assert [t.messages[0].content for t in found.templates] == ["a", "a"]
    assert found.shots[0].user == "u"


def test_all_text_files_lose_their_mark(tmp_path: Path) -> None:
    """Study, slots, system texts, schema and rules are read as the prompts are."""
    path = write(tmp_path, [{"template": "do {task}"}])
    texts = {
        "study.yaml": "version: 1\nname: x\nworkload: {prompts: p.jsonl, slots: slots.yaml, "
        "schema: a.json, prompt: {system: {own: s.txt}, shots: s.jsonl, dynamic: d.yaml}}",
        "slots.yaml": "task: [a]", "a.json": "{}", "s.txt": "You are terse.\r\n",
        "s.jsonl": '{"id": "a", "user": "u", "assistant": "v"}',
        "d.yaml": "rules: [{match: x, shots: [a]}]",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_bytes(f"\ufeff{text}".encode())
    found = load(path).workload

    assert found.systems == {"own": "You are terse."}
    assert (found.slots, found.schema, found.rules[0].match) == ({"task": ("a",)}, {}, "x")
