"""The grammar against Ollama's own parser: what each reads, and what each refuses."""

from __future__ import annotations

import base64
import codecs
import json
import random
import subprocess
from pathlib import Path

import pytest

from tests.modelfile.ollama_programs import built
from tuner.modelfile import grammar
from tuner.modelfile.document import Modelfile, refused, write
from tuner.spec.errors import InputError
from tuner.spec.values import Message

Commands = list[list[str]] | None

WORDS = ("FROM", "from", "PARAMETER", "Parameter", "SYSTEM", "TEMPLATE", "MESSAGE", "LICENSE",
         "ADAPTER", "DRAFT", "RENDERER", "PARSER", "REQUIRES")  # fmt: skip
GAPS = (" ", " ", " ", "\t", "  ", "")
ENDS = ("\n", "\r\n", "\r", "\n\n")
PIECES = (
    *WORDS, *GAPS, *ENDS, '"', '"""', "'", "#", "# c", "a", ":", "é", "日本", "{{ .System }}",
    "_", "user", "assistant", "system", "stop", "num_ctx", "num_ctx 4096", "temperature 0.3",
    "top_p .5", "use_mmap yes", "use_mmap T", "seed -1", "+5", "1e3", "0x1p-2", "inf", "1_000",
    "4096", "low_vram x", "v0.14", "0.14.0", "\u00a0", "\u200d", "\u3000", "\u2028", "\x85",
    "\x00", "\x07", "\v", "\f", "\x1c", "\ufeff",
)  # fmt: skip
CORPUS = (
    "FROM a", "FROM a # c", "FROM  a", "FROM\ta", "FROM\na", " FROM a", "\nFROM a\n\n",
    "# c\nFROM a", "FROM a\n#c\n# c", "FROM a b c", "FROM 'a'", 'FROM "a"', 'FROM "a',
    'FROM """a\nb"""', "FROM ", "FROM a\nSYSTEM", "FROM a\nSYSTEM ", 'FROM a\nSYSTEM """"""',
    'FROM a\nSYSTEM """a""" b', 'FROM a\nSYSTEM """a"""b"""', 'FROM a\nSYSTEM "a" b"\nSYSTEM c',
    'FROM a\nSYSTEM "', 'FROM a\nSYSTEM ""', "FROM a\nSYSTEM a\\\nb", "FROM a\nMESSAGE user hi",
    "FROM a\nMESSAGE User hi", "FROM a\nMESSAGE user", 'FROM a\nMESSAGE user """a\nb"""',
    "FROM a\nMESSAGE tool x", "FROM a\nPARAMETER stop", "TEMPLATE x",
    'FROM a\nPARAMETER stop ["x"]', "FROM a\nPARAMETER num-ctx 3",
    "FROM a\nPARAMETER num_ctx 4 # x", "FROM a\nPARAMETER num_ctx 9223372036854775808",
    "FROM a\nPARAMETER temperature 1e39", "FROM a\nREQUIRES 0.14",
    "FROM a\nREQUIRES v1.2.3-rc.1+x", "FROM a\nREQUIRES 01.2", "FROM a\nFROM b",
    "FROM a\nTEMPERATURE 0.3", "FROM a\nSYSTEM one\r\ntwo", "FROM a\rSYSTEM b\r", "", "\n", "#",
    "FROM",
)  # fmt: skip
"""Where people and parsers stumble."""


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give Ollama's parser as a program."""
    return built("ollama_parser", tmp_path_factory.mktemp("oracle"))


def theirs(oracle: Path, files: list[bytes]) -> list[Commands]:
    """Return the commands that Ollama reads from each file, None where it refuses it."""
    asked = json.dumps([base64.b64encode(file).decode() for file in files])
    done = subprocess.run([oracle], input=asked, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def ours(text: str) -> Commands:
    """Return what we read, in Ollama's terms."""
    try:
        found = list(grammar.instructions(text.removeprefix("\ufeff"), "x"))
    except InputError:
        return None
    checked = [i for i in found if i.word in {"PARAMETER", "REQUIRES"}]
    if any(map(refused, checked)) or not any(i.word == "FROM" for i in found):
        return None
    return [command(i) for i in found]


def command(i: grammar.Instruction) -> list[str]:
    """Return an instruction as Ollama's parser names it."""
    if i.word == "MESSAGE":
        return ["message", f"{i.name}: {i.value}"]
    if i.word == "PARAMETER":
        return [i.name, i.value]
    return ["model" if i.word == "FROM" else i.word.lower(), i.value]


def generated(rng: random.Random) -> str:
    """Return a file of lines that look like instructions, or of pieces in any order."""
    start = rng.choice(("FROM a\n", "FROM a\n", "FROM a\r\n", "\ufeffFROM b\n", ""))
    lines = [
        rng.choice(WORDS) + rng.choice(GAPS) + "".join(rng.choices(PIECES, k=rng.randint(0, 6)))
        for _ in range(rng.randint(0, 5))
    ]
    loose = "".join(rng.choices(PIECES, k=rng.randint(0, 14)))
    return start + rng.choice((rng.choice(ENDS).join(lines), loose)) + rng.choice(("", "\n"))


@pytest.mark.timeout(300)
def test_ten_thousand_files_are_read_as_ollama_reads_them(oracle: Path) -> None:
    """The same commands with the same values, and a refusal exactly where Ollama refuses.

    But for `PARAMETER system x`, which Ollama takes for a SYSTEM and we refuse as a mistake.
    """
    rng = random.Random(20260)
    texts = [*CORPUS, *(generated(rng) for _ in range(10_000))]
    unlike = [
        (text, read)
        for text, read in zip(texts, theirs(oracle, [t.encode() for t in texts]), strict=True)
        if ours(text) != read and "parameter system" not in text.lower()
    ]

    assert unlike == []


@pytest.mark.timeout(300)
def test_what_is_written_ollama_reads_back(oracle: Path) -> None:
    """Of a thousand Modelfiles each that can be written gives its very values to Ollama."""
    rng = random.Random(20261)
    wanted, texts = [], []
    while len(texts) < 1000:
        modelfile = nasty(rng)
        try:
            texts.append(write(modelfile))
        except InputError:
            continue
        wanted.append(sorted(commands(modelfile)))

    found = theirs(oracle, [text.encode() for text in texts])
    assert [sorted(read or []) for read in found] == wanted


def nasty(rng: random.Random) -> Modelfile:
    """Return a Modelfile with texts that are hard to quote."""

    def text() -> str:
        return "x" + "".join(rng.choices((*PIECES, '\n"""', '"\n', "\n\n"), k=rng.randint(0, 7)))

    return Modelfile(
        base="a",
        system=text(),
        template=text(),
        parameters=tuple(("stop", text()) for _ in range(rng.randint(0, 2))),
        messages=tuple(Message("user", text()) for _ in range(rng.randint(0, 2))),
        licenses=(text(),),
    )


def commands(modelfile: Modelfile) -> list[list[str]]:
    """Return a Modelfile's parts as commands."""
    return [
        ["model", modelfile.base],
        ["system", modelfile.system or ""],
        ["template", modelfile.template or ""],
        *([name, value] for name, value in modelfile.parameters),
        *(["message", f"{m.role}: {m.content}"] for m in modelfile.messages),
        *(["license", text] for text in modelfile.licenses),
    ]


@pytest.mark.timeout(300)
def test_every_encoding_is_read_as_ollama_reads_it(oracle: Path, tmp_path: Path) -> None:
    """UTF-8 with and without a mark, UTF-16 of both kinds, and bytes that are no text."""
    from tuner.modelfile.document import load

    text = "FROM a\nSYSTEM é日本\n"
    files = [
        text.encode(),
        codecs.BOM_UTF8 + text.encode(),
        codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        b"FROM a\nSYSTEM caf\xe9 \xff\n",
    ]
    for content, read in zip(files, theirs(oracle, files), strict=True):
        file = tmp_path / "Modelfile"
        file.write_bytes(content)
        assert read == [["model", "a"], ["system", load(file).system]]
