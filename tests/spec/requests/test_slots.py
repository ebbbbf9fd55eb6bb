"""What stands in braces: the name of a slot is filled in, all else is sent as it is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.guard.test_classify import sample
from tests.spec.test_study import write
from tuner.guard.classify import judge
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import Template, Workload, Written, fill
from tuner.spec.study import load
from tuner.spec.values import Message, Prompt

BRACED = st.text(st.sampled_from("{}ab \\\"'1:!$"), max_size=20).filter(str.strip)


def filled(folder: Path, line: dict[str, Any], slots: str | None = None) -> Prompt:
    """Return the first prompt of a study of one line, with slots or without."""
    files = {"prompts": "p.jsonl"} | ({"slots": "s.yaml"} if slots else {})
    (folder / "s.yaml").write_text(slots or "")
    workload = load(write(folder, [line], workload=files)).workload
    return fill(workload.templates[0], workload, np.random.default_rng(0), "x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(BRACED | st.text(st.characters(exclude_categories=("Cs",))).filter(str.strip))
def test_without_slots_all_is_sent_as_written(tmp_path: Path, text: str) -> None:
    """Whatever braces a text has, it is the text that is sent, and what is expected."""
    prompt = filled(tmp_path, {"template": text, "expect": {"exact": text}})

    assert (prompt.text, prompt.expect) == (text, {"exact": text})


@pytest.mark.parametrize(
    "text",
    [
        'Reply with {"id": 1, "ok": true} only.', 'Reply with {{"id": 1}} only.',
        "Fix: function f(){ return x; }", r"Expand \frac{a}{b} and x^{n}, x_{i}",
        "a {} b {0} { c", "}}{{", "use ${HOME} and <p>{name}</p>", "{{ jinja }} {% if x %}",
        '{"a": {"b": {"c": 1}}}', 'printf("{%d}")', "f'{x!r:>10}'", "{{name}} of Jinja",
    ],
)  # fmt: skip
def test_beside_slots_other_braces_are_sent_as_written(tmp_path: Path, text: str) -> None:
    """Code, JSON and formulas stay what they are in a study with slots, alone or beside one."""
    slots = "word: [yes]"

    assert filled(tmp_path, {"template": text}, slots).text == text
    assert filled(tmp_path, {"template": text + " {word}"}, slots).text == f"{text} yes"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ('Delete {id}, answer {{"deleted": true}}', 'Delete 4, answer {{"deleted": true}}'),
        ('{"a": {"b": {id}}}', '{"a": {"b": 4}}'),
        ("item-{id}/v{id}", "item-4/v4"),
        (r"\frac{id}{b} {id}", r"\frac4{b} 4"),
        ("{id: 1} {id", "{id: 1} {id"),
    ],
)
def test_a_slot_is_a_slot_wherever_it_stands(tmp_path: Path, text: str, sent: str) -> None:
    """The braces around a name are all that is replaced; there is nothing to escape."""
    assert filled(tmp_path, {"template": text}, "id: [4]").text == sent


def test_values_are_not_filled_in_again(tmp_path: Path) -> None:
    """So a text in braces that is no slot can be sent: as the value of one."""
    found = filled(tmp_path, {"template": "say {day}"}, "day: ['{day}']\nword: [x]")

    assert found.text == "say {day}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"template": "x {dya}"}, "unknown slot 'dya'; the slots file has: day, n; did you mean"),
        ({"template": "x {other}"}, "add other: ['{other}'] to the slots"),
        ({"template": "{n:03d}"}, "{n:03d}: a slot takes no format; write {n}"),
        ({"template": "{n!r}"}, "a slot takes no format"),
        ({"template": "x", "expect": {"a": "{dya}"}}, "unknown slot 'dya'"),
        (
            {"template": "on {day}", "expect": {"a": ["{n}"]}},
            "expect: the prompt does not have the slot 'n'",
        ),
        ({"messages": [{"role": "system", "content": "{dya}"}, {"role": "user", "content": "x"}]},
         "unknown slot 'dya'"),
    ],
)  # fmt: skip
def test_slips_are_refused_with_the_line(tmp_path: Path, line: dict[str, Any], said: str) -> None:
    """A name that looks like a slot and is none would be sent to the model."""
    with pytest.raises(InputError, match=r"p\.jsonl:1: ") as error:
        filled(tmp_path, line, "day: [monday]\nn: [1]")

    assert said in str(error.value)


def test_slots_of_expected_texts_are_texts(tmp_path: Path) -> None:
    """A number of the slots is text where an answer is text, and itself in a pattern."""
    for expect, answer in (
        ({"exact": "{n}"}, "7"),
        ({"contains": "{n}"}, "it is 7"),
        ({"regex": r"^\d{1} {word}$"}, "7 c++ (old)"),
    ):
        line = {"template": "{n} {word}", "expect": expect}
        prompt = filled(tmp_path, line, "n: [7]\nword: ['c++ (old)']")
        wanted = next(iter((prompt.expect or {}).values()))
        assert isinstance(wanted, str)
        assert re.search(wanted, answer) if "regex" in expect else wanted in answer


def test_slots_of_expected_fields_have_their_json_type() -> None:
    """What is sent is the text, what is expected the value: 1.10 is 1.1, true is true."""
    template = Template("t", (Message("user", "{v} {b}"),), {"v": "{v}", "b": ["{b}"]}, "k")
    slots = {"v": (Written("1.10", 1.1),), "b": (Written("true", True),)}
    prompt = fill(template, Workload((), slots), np.random.default_rng(0), "x")

    assert prompt.text == "1.10 true"
    assert prompt.expect == {"v": 1.1, "b": [True]}


def test_another_reading_is_another_workload(tmp_path: Path) -> None:
    """The hash is that of what is sent: equal texts share it, however they are written down."""

    def hashed(template: str, slots: str) -> str:
        (tmp_path / "s.yaml").write_text(slots)
        files = {"prompts": "p.jsonl", "slots": "s.yaml"}
        return load(write(tmp_path, [{"template": template}], workload=files)).workload.hash

    assert hashed("a {x}", "x: [4, word, '007']") == hashed("a {x}", "x:\n- 4\n- word\n- '007'")
    for one, other in (("NO", "false"), ("1.10", "1.1"), ("007", "7"), ("true", "'true'")):
        assert hashed("a {x}", f"x: [{one}]") != hashed("a {x}", f"x: [{other}]"), (one, other)
    assert hashed("a {{b}}", "x: [4]") != hashed("a {b}", "b: [4]")


def test_the_judge_takes_several_texts_at_once() -> None:
    """Contains and regex together are both about the text."""
    prompt = Prompt("p", "t", "k", (), {"contains": "a", "regex": "b$"})

    assert judge(None)(prompt, sample("ab")) == "correct"
    assert judge(None)(prompt, sample("ba")) == "wrong_fields"
