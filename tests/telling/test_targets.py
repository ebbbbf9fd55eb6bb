"""Where the URLs of the targets come from, and what is said where they lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.spec.errors import InputError
from tuner.spec.notify import Notify
from tuner.telling.targets import targets


def test_a_variable_holds_urls_with_blanks_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or line ends; each is called by its place."""
    monkeypatch.setenv("MY_URLS", " json://a \n slack://b,c/d\n")
    found = targets(Notify(urls_from="MY_URLS"))

    assert [t.url for t in found] == ["json://a", "slack://b,c/d"]
    assert [t.place for t in found] == ["MY_URLS, target 1", "MY_URLS, target 2"]


def test_a_file_holds_one_a_line(tmp_path: Path) -> None:
    """Comments and blank lines say nothing."""
    file = tmp_path / "urls"
    file.write_text("# ops\njson://a\n\n  slack://b  \n")

    assert [t.url for t in targets(Notify(urls_file=file))] == ["json://a", "slack://b"]


def test_metrics_alone_have_no_targets(tmp_path: Path) -> None:
    """Nothing is read."""
    assert targets(Notify(textfile=tmp_path)) == ()


@pytest.mark.parametrize("content", [None, "", "# nothing\n", b"\xff\xfe"])
def test_a_file_that_cannot_be_used_is_named(content: str | bytes | None, tmp_path: Path) -> None:
    """It lacks, is empty, or is no text."""
    file = tmp_path / "urls"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(InputError, match=r"notify\.urls_file: .*urls"):
        targets(Notify(urls_file=file))


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_variable_that_is_not_set_is_named(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is empty, too."""
    monkeypatch.delenv("MY_URLS", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_URLS", value)

    with pytest.raises(InputError, match="MY_URLS is empty or not set"):
        targets(Notify(urls_from="MY_URLS"))
