"""A page that shows what does not happen fails its test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.follow import follow
from tests.docs.page import blocks
from tuner.spec.errors import InputError

STUDY = "version: 1\nname: x\nworkload: {prompts: prompts.jsonl}\n"


def console(*lines: str, remark: str = "") -> str:
    """Return a page of one console block."""
    above = f"<!-- test: {remark} -->\n" if remark else ""
    return "\n".join([f"# Page\n\n{above}```console", *lines, "```\n"])


@pytest.mark.parametrize(
    "page",
    [
        console("$ echo 3 of 4", "7 of 9"),  # numbers differ from run to run
        console("$ echo one; echo two; echo three", "one", "...", "three"),
        console("$ exit 3", remark="exit 3"),
        console("$ false", remark="not run, it fails"),
        console("$ echo a long \\", "  line", "a long line"),
        console('$ test "$NAME" = value', remark="with NAME=value"),
        "```yaml\nguard: {min_correct: 0.5}\n```\n",
    ],
)
def test_a_true_page_can_be_followed(page: str, tmp_path: Path) -> None:
    """What it leaves out may be anything."""
    follow(page, tmp_path)


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (console("$ echo one", "two"), AssertionError),
        (console("$ false"), AssertionError),
        (console("$ true", remark="exit 3"), AssertionError),
        (console("$ tune lint no-such-file"), AssertionError),
        ("```yaml\nguard: {min_valit: 0.5}\n```\n", InputError),
        (f'```yaml title="tune.yaml"\n{STUDY}guards: 1\n```\n', InputError),
    ],
)
def test_an_untrue_page_fails(page: str, error: type[Exception], tmp_path: Path) -> None:
    """Another output, another exit code, a key that is none."""
    with pytest.raises(error):
        follow(page, tmp_path)


def test_the_files_of_a_page_are_there_for_its_commands(tmp_path: Path) -> None:
    """In the order in which they stand; folders are made."""
    page = '```text title="a/b.txt"\nhello 1\n```\n\n' + console("$ cat a/b.txt", "hello 2")
    follow(page, tmp_path)

    assert [b.title for b in blocks(page)] == ["a/b.txt", None]
    assert (tmp_path / "a" / "b.txt").read_text() == "hello 1\n"
