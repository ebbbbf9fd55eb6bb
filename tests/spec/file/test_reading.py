"""Text, JSON and YAML files: what is written is what counts, or a sentence says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.errors import InputError
from tuner.spec.file.reading import parsed_json, read_text, regex_problem, whole_text
from tuner.spec.file.yaml_reading import STUDY_TEXTS, parsed_setting, parsed_slots, parsed_yaml
from tuner.spec.requests.workload import Written

FILE = Path("file.yaml")
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))


def refused_yaml(text: str) -> str:
    """Return why a YAML text is refused."""
    with pytest.raises(InputError) as error:
        parsed_yaml(text, FILE, STUDY_TEXTS)
    return str(error.value)


@given(TEXT)
def test_a_mark_before_a_text_is_no_part_of_it(text: str) -> None:
    """A half of a character is found; a text of whole ones is what it was."""
    assert whole_text(text) == text


def test_a_byte_order_mark_is_read_away(tmp_path: Path) -> None:
    """What an editor puts in front of a file reaches nobody; other encodings are named."""
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffHi \ufeff there".encode())
    assert read_text(path, "x") == "Hi \ufeff there"

    path.write_bytes("Grüße".encode("utf-16"))
    with pytest.raises(InputError, match=r"x: .*t\.txt cannot be read: it is not UTF-8.*save it"):
        read_text(path, "x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice in one object"),
        ('{"b": [{"a": 1, "a": 1}]}', "'a' stands twice"),
        ('{"a": "x \\ud83d y"}', r"a: holds half a character (\ud83d)"),
        ('{"a": [0, {"b": "\\udc00"}]}', r"a.1.b: holds half a character (\udc00)"),
        ('{"\\ud800": 1}', r"the text: holds half a character (\ud800)"),
        ('{"a": {"b": NaN}}', "a.b: expected a finite number, found nan"),
        ('{"a": [-Infinity]}', "a.0: expected a finite number, found -inf"),
        ('{"a": 1e999}', "a: expected a finite number, found inf"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ("{'a': 1}", "not valid JSON"),
    ],
)
def test_json_that_could_not_be_sent_is_refused(text: str, said: str) -> None:
    """The place in the file comes first, then the field, then what is wrong with it."""
    with pytest.raises(InputError) as error:
        parsed_json(text, "p.jsonl:7")

    assert str(error.value).startswith("p.jsonl:7: ")
    assert said in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_other_json_is_what_it_is(document: Any) -> None:
    """Nothing is changed of what can be sent, however its characters are written."""
    assert parsed_json(json.dumps(document), "x") == document


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slo: 1\nname: a\nslo: 2", "file.yaml:3: slo stands twice (first in line 1)"),
        ("a: {b: 1, c: 2, b: 3}", "file.yaml:1: b stands twice"),
        ("a:\n- b: 1\n  'b': 2", "file.yaml:3: b stands twice (first in line 2)"),
        ("x: 9:30", "file.yaml:1: YAML reads 9:30 as 570; write it in quotes for the text, or 570"),
        ("\nx: 007", "file.yaml:2: YAML reads 007 as 7"),
        ("x: [1, 010]", "YAML reads 010 as 8"),
        ("x: 1_000", "YAML reads 1_000 as 1000"),
        ("x: 0x1F", "YAML reads 0x1F as 31"),
        ("x: 1:30.5", "YAML reads 1:30.5 as 90.5"),
        ("x: NO", "YAML reads NO as false; write it in quotes for the text, or false"),
        ("x: [on]", "YAML reads on as true"),
        ("no: x.txt", "YAML reads no as false"),
        ("x: .inf", "YAML reads .inf as inf; write it in quotes for the text, or a finite number"),
        ("x: -.NaN", ""),
        ("x: !!int abc", "'abc' is no int; write the value alone"),
        ("x: !!bool maybe", "'maybe' is no bool"),
        ("x: " + "9" * 5000, "a number of 5000 characters"),
        ('x: "\\ud83d"', r"a text holds half a character (\ud83d)"),
        ('x: "a\\0b"', "NUL"),
        ("x: " + "[" * 5000, "nested too deeply"),
        ("x: !!python/object:a.b {}", "not valid YAML"),
    ],
)  # fmt: skip
def test_yaml_that_means_something_else_is_refused(text: str, said: str) -> None:
    """The line is named, what YAML makes of it, and what to write."""
    if said:
        assert said in refused_yaml(text)
    else:
        assert parsed_yaml(text, FILE) == {"x": "-.NaN"}  # no number to YAML


def test_yaml_that_everybody_reads_alike_is_taken() -> None:
    """Numbers, switches and texts have their types; a date is text."""
    text = "{a: 1, b: -2, c: 0.70, d: 1.5e+3, e: true, f: False, g: x y, h: '007', i: 2026-11-29}"

    assert parsed_yaml(text, FILE) == {
        "a": 1, "b": -2, "c": 0.7, "d": 1500.0, "e": True, "f": False, "g": "x y", "h": "007",
        "i": "2026-11-29",
    }  # fmt: skip


def test_what_is_merged_in_may_be_replaced() -> None:
    """A key beside a merge is written once."""
    text = "base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}"

    assert parsed_yaml(text, FILE)["use"] == {"x": 1, "y": 3}


def test_halves_of_one_character_are_joined() -> None:
    """JSON writes an emoji as two escapes, which YAML reads one by one."""
    assert parsed_yaml('x: "\\ud83d\\ude00"', FILE) == {"x": "😀"}


def test_text_stays_as_written_where_text_is_meant() -> None:
    """A command line and its environment are text, whatever they look like."""
    found = parsed_yaml(
        "name: 007\nengine:\n  model: 1.10\n  command: [x, 010, 1.10, 9:30, no]\n"
        "  env: {T: 1_000, F: yes}\n  knobs: {k: {read: {at: 1.10}, default: 1.5}}",
        FILE, STUDY_TEXTS,
    )  # fmt: skip

    assert found["name"] == "007"
    assert found["engine"] == {
        "model": "1.10", "command": ["x", "010", "1.10", "9:30", "no"],
        "env": {"T": "1_000", "F": "yes"}, "knobs": {"k": {"read": {"at": "1.10"}, "default": 1.5}},
    }  # fmt: skip


@given(st.dictionaries(TEXT, TEXT | st.integers(-(10**9), 10**9) | st.booleans(), max_size=3))
def test_what_is_written_by_program_is_read_back(content: dict[str, Any]) -> None:
    """YAML's own writer quotes whatever we would refuse."""
    assert parsed_yaml(yaml.safe_dump(content), FILE) == content


@pytest.mark.parametrize(
    ("written", "text", "value"),
    [
        ("NO", "NO", "NO"), ("9:30", "9:30", "9:30"), ("007", "007", "007"),
        ("1.10", "1.10", 1.1), ("1_000", "1_000", "1_000"), ("010", "010", "010"),
        ("4", "4", 4), ("-1.5", "-1.5", -1.5), ("true", "true", True), ("False", "False", False),
        ("null", "null", None), ("~", "~", "~"), ("2026-11-29", "2026-11-29", "2026-11-29"),
        ("1e3", "1e3", 1000.0), ("1e999", "1e999", "1e999"), (".inf", ".inf", ".inf"),
        ("'4'", "4", "4"), ('"a\\tb"', "a\tb", "a\tb"), ("a b", "a b", "a b"),
    ],
)  # fmt: skip
def test_slots_are_sent_as_they_are_written(written: str, text: str, value: Any) -> None:
    """The text is the file's; the type is the one that JSON has for it."""
    (found,) = parsed_slots(f"s: [{written}]", FILE)["s"]
    typed = found.value if isinstance(found, Written) else found

    assert str(found) == text
    assert (type(typed), typed) == (type(value), value)


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_quoted_slots_are_texts(values: list[str]) -> None:
    """JSON's quotes are YAML's: each text comes back as it was."""
    assert parsed_slots(json.dumps({"s": values}), FILE)["s"] == tuple(values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s: [a]\ns: [b]", "file.yaml:2: s stands twice"),
        ("s: word", "file.yaml:1: s: expected slot names with non-empty lists"),
        ("s:\n- [a]", "file.yaml:2: expected one text or number"),
        ("s:\n- a\n-", 'file.yaml:3: expected one text or number for a slot; an empty text is ""'),
        ("s: [{a: 1}]", "expected one text or number"),
        ('"{s}": [a]', "holds no braces"),
        ("s: [!!binary aaa]", "not valid YAML in a list of slots"),
        ('s: ["\\udead"]', r"half a character (\udead)"),
        ("- s", "expected slot names"),
        ("", "expected slot names"),
    ],
)
def test_slots_that_are_none_are_refused(text: str, said: str) -> None:
    """The line is named, and what a slot looks like."""
    with pytest.raises(InputError) as error:
        parsed_slots(text, FILE)

    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64), ("0.70", 0.7), ("1e2", 100.0), ("true", True), ("on", "on"), ("5:00", "5:00"),
        ("010", "010"), ("", ""), ("null", "null"), ("[INST]", "[INST]"), ("a: b", "a: b"),
        ("'64'", "64"), ('"x y"', "x y"), ("%x", "%x"),
    ],
)  # fmt: skip
def test_a_setting_of_the_command_line_is_no_yaml(text: str, value: Any) -> None:
    """A number, true or false as JSON has them; all else is the text that was typed."""
    found = parsed_setting(text, "--set")

    assert (type(found), found) == (type(value), value)


def test_a_setting_that_is_no_text_is_refused() -> None:
    """Bytes that are no characters come from a shell as halves of some."""
    with pytest.raises(InputError, match=r"--set: .* holds half a character"):
        parsed_setting("a\udcff", "--set")


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(" * 5000 + ")" * 5000, "[z-a]"])
def test_patterns_that_do_not_compile_are_named(pattern: str) -> None:
    """Python has several errors for them; each is a sentence here."""
    assert "is not a regular expression" in str(regex_problem(pattern))
    assert regex_problem(r"^\d+$") is None
