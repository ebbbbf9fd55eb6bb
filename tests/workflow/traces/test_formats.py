"""Recordings of three formats: each line is read as it is meant, or named with what is wrong."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.errors import InputError
from tuner.workflow.traces.formats import read
from tuner.workflow.traces.recorded import BLOCK, Format

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
AZURE = HEAD + "2030-01-02 03:04:05.1234567,40,7\n2030-01-02 03:04:06.6234567,50,8\n"
MOONCAKE = (
    '{"timestamp": 0, "input_length": 700, "output_length": 7, "hash_ids": [3, 9]}\n'
    '{"timestamp": 1500, "input_length": 50, "output_length": 8, "hash_ids": [4]}\n'
)
JSONL = (
    '{"at_s": 1, "prompt_tokens": 40, "output_tokens": 7}\n'
    '{"at_s": 2.5, "prompt_tokens": 50, "output_tokens": 8}\n'
)

counts = st.integers(0, 2**31 - 1)
requests = st.lists(st.tuples(st.integers(0, 10**7), counts, counts), min_size=2, max_size=20)


def file(folder: Path, text: str | bytes) -> Path:
    """Write a recording."""
    path = folder / "trace"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lengths(path: Path, format_: Format, first: int | None = None) -> list[tuple[float, int, int]]:
    """Return times from the first one's, and both lengths."""
    found = read(path, format_, first).requests
    return [(round(r.at_s - found[0].at_s, 6), r.input_tokens, r.output_tokens) for r in found]


def problem(path: Path, format_: Format) -> str:
    """Return why a recording is refused, without the folder."""
    with pytest.raises(InputError) as error:
        read(path, format_)
    return str(error.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    ("format_", "text"), [("azure", AZURE), ("mooncake", MOONCAKE), ("jsonl", JSONL)]
)
@pytest.mark.parametrize("form", ["plain", "bom", "crlf", "open end", "blank lines"])
def test_each_format_is_read_however_it_is_saved(
    form: str, format_: Format, text: str, tmp_path: Path
) -> None:
    """Windows and Unix, with a byte order mark, without a last line break."""
    forms = {
        "plain": text, "bom": "\ufeff" + text, "crlf": text.replace("\n", "\r\n"),
        "open end": text.rstrip(), "blank lines": text.replace("\n", "\n\n"),
    }  # fmt: skip
    found = lengths(file(tmp_path, forms[form]), format_)

    assert [n for _, *n in found] == [[700 if format_ == "mooncake" else 40, 7], [50, 8]]
    assert [at for at, *_ in found] == [0.0, 1.5]


@given(asked=requests)
def test_what_is_written_is_read(asked: list[tuple[int, int, int]], tmp_path_factory: Any) -> None:
    """To the microsecond, in any order, in each format."""
    folder = tmp_path_factory.mktemp("round")
    begin = datetime(2030, 1, 2)
    texts: dict[Format, str] = {
        "azure": HEAD + "".join(
            f"{(begin + timedelta(microseconds=at)).isoformat(' ', 'microseconds')}0,{i},{o}\n"
            for at, i, o in asked
        ),
        "mooncake": "".join(
            json.dumps({"timestamp": at / 1000, "input_length": i, "output_length": o}) + "\n"
            for at, i, o in asked
        ),
        "jsonl": "".join(
            json.dumps({"at_ms": at / 1000, "prompt_tokens": i, "output_tokens": o}) + "\n"
            for at, i, o in asked
        ),
    }  # fmt: skip
    least = min(at for at, *_ in asked)
    wanted = sorted((at - least, i, o) for at, i, o in asked)

    for format_, text in texts.items():
        path = file(folder, text)
        if len({at for at, *_ in asked}) == 1:
            assert "all at one time" in problem(path, format_)
        else:
            found = lengths(path, format_)
            assert sorted((round(at * 1e6), i, o) for at, i, o in found) == wanted


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2030-01-02 03:04:07,-4,7", "ContextTokens: expected a whole number of tokens, 0 or more"),
        ("2030-01-02 03:04:07,4,-7", "GeneratedTokens: expected a whole number of tokens"),
        ("2030-01-02 03:04:07,4.0,7", "ContextTokens: expected a whole number"),
        ("2030-01-02 03:04:07,,7", "ContextTokens: expected a whole number"),
        ("2030-01-02 03:04:07,4,99999999999", "GeneratedTokens: expected a whole number"),
        ("2030-01-02 03:04:07,٤,7", "ContextTokens: expected a whole number"),
        ("2030-13-02 03:04:07,4,7", "TIMESTAMP: expected a time such as 2023-11-16 18:17:03"),
        ("1500,4,7", "TIMESTAMP: expected a time such as"),
        ("2030-01-02 03:04:07+00:00,4,7", "TIMESTAMP: some times have a zone"),
        ("2030-01-02 03:04:07,4", "expected 3 values, found 2"),
        ('"2030-01-02 03:04:07,4,7', "not a line of CSV"),
    ],
)
def test_a_wrong_row_is_named(row: str, said: str, tmp_path: Path) -> None:
    """With file, line and column, and with what was found where that is not the whole line."""
    found = problem(file(tmp_path, f"{AZURE}{row}\n"), "azure")

    assert found.startswith("trace:4: ")
    assert said in found


@pytest.mark.parametrize(
    ("format_", "line", "said"),
    [
        ("mooncake", {"timestamp": "0"}, "timestamp: expected a number, found '0'"),
        ("mooncake", {"input_length": -1}, "input_length: expected a whole number of tokens"),
        ("mooncake", {"input_length": True}, "input_length: expected a whole number of tokens"),
        ("mooncake", {"output_length": 1.5}, "output_length: expected a whole number of tokens"),
        ("mooncake", {"output_length": None}, "output_length: expected a whole number of tokens"),
        ("mooncake", {"hash_ids": [1, 2]}, "hash_ids: expected at most 1 ids of 512 tokens"),
        ("mooncake", {"hash_ids": ["a"]}, "hash_ids.0: expected whole numbers, found 'a'"),
        ("mooncake", {"hash_ids": 4}, "hash_ids: expected a list, found 4"),
        ("jsonl", {"at_s": None}, "expected its time in one of the fields at_s, at_ms and at"),
        ("jsonl", {"at_ms": 5}, "expected its time in one of the fields at_s, at_ms and at"),
        ("jsonl", {"at": "noon", "at_s": None}, "at: expected a time such as"),
        ("jsonl", {"ouput_tokens": 5}, "unknown key 'ouput_tokens'; allowed here: at_s"),
        ("jsonl", {"prompt_tokens": "5"}, None),
        ("jsonl", [1], "expected one object a line, found [1]"),
        ("jsonl", "{", "not valid JSON"),
    ],
)
def test_a_wrong_line_is_named(
    format_: Format, line: Any, said: str | None, tmp_path: Path
) -> None:
    """With file, line and field; what is meant to be ours has no fields that are not read."""
    good = MOONCAKE if format_ == "mooncake" else JSONL
    last = json.loads(good.splitlines()[-1])
    text = line if isinstance(line, str) else json.dumps(
        last | line if isinstance(line, dict) else line
    )  # fmt: skip
    path = file(tmp_path, f"{good}{text}\n")
    if said is None:
        assert len(read(path, format_).requests) == 3
        return
    found = problem(path, format_)

    assert found.startswith("trace:3: ")
    assert said in found


@pytest.mark.parametrize(
    ("format_", "text", "rest"),
    [
        ("azure", AZURE, "2030-01-02 03:04:0"),
        ("azure", AZURE, "2030-01-02 03:04:07.1,4,"),
        ("mooncake", MOONCAKE, '{"timestamp": 3000, "input_len'),
        ("jsonl", JSONL, '{"at_s": 3'),
    ],
)
def test_a_last_line_that_breaks_off_is_left_out_and_said(
    format_: Format, text: str, rest: str, tmp_path: Path
) -> None:
    """With a line break behind it the same is an error: it was written so."""
    found = read(file(tmp_path, text + rest), format_)

    assert len(found.requests) == 2
    assert "the last line breaks off and is left out" in found.notes[0]
    assert f"trace:{4 if format_ == 'azure' else 3}: " in problem(
        file(tmp_path, text + rest + "\n"), format_
    )


@pytest.mark.parametrize("format_", ["azure", "mooncake", "jsonl"])
@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_refused(text: str, format_: Format, tmp_path: Path) -> None:
    """It has no requests."""
    assert "no request in it" in problem(file(tmp_path, text), format_)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "no request in it"),
        ("2030-01-02 03:04:05,4,7\n", "trace:1: expected the names of columns, TIMESTAMP"),
        ("TIMESTAMP,ContextTokens\n", "trace:1: expected the names of columns"),
        (HEAD + "2030-01-02 03:04:05,4,7\n", "1 requests, all at one time"),
        (b"\xff\xfeT\x00", "is not UTF-8"),
    ],
)
def test_what_is_no_recording_is_refused(text: str | bytes, said: str, tmp_path: Path) -> None:
    """A recording has a pace."""
    assert said in problem(file(tmp_path, text), "azure")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Nor is a folder one."""
    assert "nowhere cannot be read" in problem(tmp_path / "nowhere", "azure")
    assert "cannot be read" in problem(tmp_path, "azure")


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    """Their names are read without regard to case, as later releases write them otherwise."""
    text = (
        "Model,generatedtokens,contexttokens,timestamp\n"
        "a,7,40,2030-01-02 03:04:05.1+00:00\nb,8,50,2030-01-02 03:04:06.6+00:00\n"
    )

    assert lengths(file(tmp_path, text), "azure") == [(0.0, 40, 7), (1.5, 50, 8)]


def test_unordered_times_are_put_in_order_and_said(tmp_path: Path) -> None:
    """Servers write a request down when it ends."""
    lines = JSONL.splitlines()
    found = read(file(tmp_path, f"{lines[1]}\n{lines[0]}\n"), "jsonl")

    assert [r.line for r in found.requests] == [2, 1]
    assert "1 lines come before what stands above them" in found.notes[0]


def test_only_as_much_is_read_as_is_asked_for(tmp_path: Path) -> None:
    """What stands below the first requests may be whatever it is."""
    assert len(lengths(file(tmp_path, AZURE + "oops\n"), "azure", first=2)) == 2


def test_blocks_are_kept(tmp_path: Path) -> None:
    """They may be fewer than the prompt has room for: the rest is its own."""
    line = {"at": "2030-01-02", "prompt_tokens": 3 * BLOCK, "output_tokens": 1, "hash_ids": [5]}
    text = json.dumps(line) + "\n"
    found = read(file(tmp_path, text + text.replace("-02", "-03")), "jsonl")

    assert [r.blocks for r in found.requests] == [(5,), (5,)]
