"""Count the flags and variables that public recipes and scripts give to vLLM.

    python -m bench.vllm_flags RECIPES INFERENCEX

Both are clones: github.com/vllm-project/recipes (173 models/**.yaml) and
github.com/SemiAnalysisAI/InferenceX (82 scripts under benchmarks/ with `vllm serve`), Apache-2.0.
What is kept in recorded/vllm-flags.json are facts: in how many files a name stands, with which
values, and the commits that were read. What a shell would put in ($NAME) is left out of the values.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parent / "recorded" / "vllm-flags.json"

_FLAG = re.compile(r"--?[A-Za-z]")
_END = re.compile(r"\d?>.*|<.*|[|&;()]+|2>&1|-m|#.*|\.\.\.")
_IMAGE = re.compile(r"[\w./-]*vllm[\w./-]*:\S+")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_]\w*)(?:\[@\])?(?::?[-+][^}]*)?\}?")
_FENCE = re.compile(r"```(\w*)\n(.*?)```", re.S)
_SHELLS = ("", "bash", "shell", "sh", "console")
_ARRAY = re.compile(r"(\w+\+?=\()([^()]*(?:\([^()]*\)[^()]*)*)\)")
_SUM = re.compile(r"\$\(\([^()]*(?:\([^()]*\)[^()]*)*\)\)")
_CONFIG = re.compile(r"cat > config\.yaml << *EOF\n(.*?)\nEOF", re.S)
_EXPORT = re.compile(r"(?:export|-e|env)\s+[\"']?(VLLM_[A-Z0-9_]+)=")

Words = list[str]


def of_recipe(text: str) -> Iterator[Words]:
    """Yield the flags of each list of arguments, and of each command in the texts."""
    for node in _nodes(yaml.safe_load(text)):
        if isinstance(node, list) and any(_FLAG.match(str(word)) for word in node):
            yield [part for word in node for part in _parts(str(word))]
        if isinstance(node, str):
            for language, block in _FENCE.findall(node) or [("", node)]:
                if language in _SHELLS:
                    yield from _commands(_one_line(block))


def of_script(text: str) -> Iterator[Words]:
    """Yield the flags of each command, and of what its variables may hold."""
    plain = _one_line(text)
    for words in _commands(plain):
        yield from _filled_in(words, plain, frozenset())
    for array in set(re.findall(r"(\w+)=\(\s*vllm serve", plain)):
        for more in re.findall(rf"\b{array}\+=\((.*)\)", plain):
            yield from _filled_in(_split(more), plain, frozenset())
    for written in _CONFIG.findall(text):
        read = yaml.safe_load(written).items()
        yield [f"--{key}" if value is True else f"--{key}={value}" for key, value in read]


def variables(text: str, recipe: bool) -> set[str]:
    """Return the variables of vLLM that a file sets."""
    found = set(_EXPORT.findall(text))
    if recipe:
        keys = (k for node in _nodes(yaml.safe_load(text)) if isinstance(node, dict) for k in node)
        found |= {key for key in keys if str(key).startswith("VLLM_")}
    return found


def pairs(words: Words) -> Iterator[tuple[str, str]]:
    """Yield each flag with its values, in one text."""
    starts = [place for place, word in enumerate(words) if _FLAG.match(word)]
    for start, end in pairwise([*starts, len(words)]):
        name, _, value = words[start].partition("=")
        yield name, " ".join([value, *words[start + 1 : end]]).strip()


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for inner in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from _nodes(inner)


def _parts(word: str) -> Words:
    """Return the words of one that holds a flag with its value, as a shell would join them."""
    return word.split(" ", 1) if re.match(r"--[a-z-]+ ", word) else [word]


def _one_line(text: str) -> str:
    """Return a script with each command, and each array, in one line, and without comments."""
    text = re.sub(r"(?m)^[ \t]*#.*\n", "", text)
    text = re.sub(r"\\[ \t]*\n", " ", text)
    text = re.sub(r"<[\w-]+>", "$GIVEN", _SUM.sub("$SUM", text))
    return _ARRAY.sub(lambda m: f"{m[1]} {' '.join(m[2].split())} )", text)


def _split(line: str) -> Words:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _commands(text: str) -> Iterator[Words]:
    """Yield the words behind each start of a server."""
    lines = text.splitlines()
    for place in (n for n, line in enumerate(lines) if "vllm" in line):
        ends = range(place + 1, min(place + 40, len(lines)) + 1)  # a quote may be open
        words = next((w for end in ends if (w := _split("\n".join(lines[place:end])))), [])
        quoted = (_split(w) for w in words if "vllm serve " in w and w != lines[place].strip())
        for found in (words, *quoted):
            yield from _served(found)


def _served(words: Words) -> Iterator[Words]:
    for place, word in enumerate(words):
        served = word == "serve" and place and words[place - 1].endswith("vllm")
        module = word == "vllm.entrypoints.openai.api_server"
        image = "docker" in words[:place] and _IMAGE.fullmatch(word)
        if served or module or image:
            rest = words[place + 1 :]
            end = next((n for n, w in enumerate(rest) if _END.fullmatch(w)), len(rest))
            if rest[:1] != ["vllm"]:
                yield rest[:end]


def _filled_in(words: Words, text: str, seen: frozenset[str]) -> Iterator[Words]:
    """Yield words without references, and what each reference may stand for."""
    own = Words()
    for word in words:
        reference = _REFERENCE.fullmatch(word)
        held = _held(reference[1], text) if reference and reference[1] not in seen else []
        if reference and any(_FLAG.match(w) for held_words in held for w in held_words):
            for inner in held:
                yield from _filled_in(inner, text, seen | {reference[1]})
        else:
            own.append(word)
    yield own


def _held(name: str, text: str) -> list[Words]:
    """Return what is assigned to a variable of a script: arrays, and texts."""
    arrays = re.findall(rf"(?<!\w){name}\+?=\((.*?)\)(?:\s|$)", text, re.M)
    texts = re.findall(rf"""(?<!\w){name}\+?=("(?:[^"\\]|\\.)*"|'[^']*')""", text)
    return [_split(a) for a in arrays] + [_split(" ".join(_split(t))) for t in texts]


def _git(clone: str, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", clone, *arguments], capture_output=True, text=True, check=True
    ).stdout


def counted(clone: str, names: list[str], recipe: bool) -> dict[str, Any]:
    """Return flags with the number of files and the values, and variables, of a clone's files."""
    flags: dict[str, tuple[set[str], set[str], set[bool]]] = {}
    set_in: dict[str, set[str]] = {}
    for name in names:
        text = _git(clone, "show", f"HEAD:{name}")
        omni = "--omni" in text or "vllm-omni" in text
        for words in of_recipe(text) if recipe else of_script(text):
            for flag, value in pairs(words):
                files, values, others = flags.setdefault(flag, (set(), set(), set()))
                files.add(name)
                others.add(omni)
                if "$" not in value:
                    values.add(value)
        for variable in variables(text, recipe):
            set_in.setdefault(variable, set()).add(name)
    return {
        "commit": _git(clone, "rev-parse", "HEAD").strip(),
        "files": len(names),
        "flags": {
            flag: {"files": len(files), "omni": others == {True}, "values": sorted(values)}
            for flag, (files, values, others) in sorted(flags.items())
        },
        "variables": {name: len(files) for name, files in sorted(set_in.items())},
    }


def _shown(value: Any, indent: str) -> str:
    """Return JSON with a line for each flag, so that a change is one line of a diff."""
    if not isinstance(value, dict) or "omni" in value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + " "
    rows = (f"{inner}{json.dumps(key)}: {_shown(held, inner)}" for key, held in value.items())
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}" + ("" if indent else "\n")


def main(recipes: str, inferencex: str) -> None:
    """Write what was counted."""
    models = _git(recipes, "ls-tree", "-r", "--name-only", "HEAD", "models").split("\n")
    scripts = _git(inferencex, "grep", "-l", "vllm serve", "HEAD", "--", "benchmarks/*.sh")
    read = {
        "licence": "Apache-2.0, both",
        "vllm-project/recipes": counted(recipes, [m for m in models if m.endswith(".yaml")], True),
        "SemiAnalysisAI/InferenceX": counted(
            inferencex, [line.removeprefix("HEAD:") for line in scripts.split()], False
        ),
    }
    OUT.write_text(_shown(read, ""), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
