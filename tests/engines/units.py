"""Read commands of systemd's units, as far as words in double quotes go."""

from __future__ import annotations

import json
import re

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"')


def words_of(command: str, first: str) -> list[str]:
    """Return the words of a command line of a unit, whose program is `first` (systemd.service(5)).

    The escapes of a word are JSON's, `%%` is a percent, `$$` a dollar but in the program.
    """
    words = [json.loads(word).replace("%%", "%") for word in _WORD.findall(command)]
    assert words[0] == first
    return [first, *(_dollars(word) for word in words[1:])]


def _dollars(word: str) -> str:
    """Return a word with its dollars; fail for one that begins a variable."""
    assert "$" not in word.replace("$$", "")
    return word.replace("$$", "$")
