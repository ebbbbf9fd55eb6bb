"""Modelfiles: what is written is read back, and what cannot be written is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tuner.modelfile.document import Modelfile, load, parse, write
from tuner.spec.errors import InputError
from tuner.spec.values import Message

NASTY = st.text(
    alphabet=st.sampled_from('ab"\n\r\t #\\{}<|>é日 \'`$%'), max_size=24
) | st.text(max_size=12)  # fmt: skip
ROLES = st.sampled_from(["system", "user", "assistant"])
PARAMETERS = st.one_of(
    st.tuples(st.just("temperature"), st.floats(0, 2).map(lambda f: f"{f:.3f}")),
    st.tuples(st.just("num_ctx"), st.integers(1, 9999).map(str)),
    st.tuples(st.just("stop"), NASTY),
)
FILES = st.builds(
    Modelfile,
    base=st.sampled_from(["llama3", "./m.gguf", "/models/a b.gguf"]),
    template=st.none() | NASTY,
    system=st.none() | NASTY,
    parameters=st.lists(PARAMETERS, max_size=4).map(tuple),
    messages=st.lists(st.builds(Message, ROLES, NASTY), max_size=3).map(tuple),
    licenses=st.lists(NASTY, max_size=2).map(tuple),
    header=st.lists(st.text(alphabet="abc #:é.", max_size=12).map(str.strip), max_size=2).map(
        tuple
    ),
)


@given(FILES)
def test_parse_of_write_is_the_same(modelfile: Modelfile) -> None:
    """Whatever can be written comes back as it was; the rest is refused, not changed."""
    try:
        text = write(modelfile)
    except InputError:
        assume(False)

    assert parse(text) == modelfile


@given(NASTY)
def test_what_write_refuses_would_not_survive(system: str) -> None:
    """A system text is refused exactly when Ollama's grammar could not give it back."""
    try:
        write(Modelfile("m", system=system))
    except InputError:
        naive = f'FROM m\nSYSTEM """{system}"""\n'
        with contextlib.suppress(InputError):
            assert parse(naive).system != system or not system


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SYSTEM hi", "no FROM line"),
        ("FROM m\nTEMPERATURE 0.3", "TEMPERATURE is a parameter"),
        ("FROM m\nPARAMTER num_ctx 1", "did you mean PARAMETER"),
        ("FROM m\nPARAMETER max_tokens 5", "num_predict"),
        ("FROM m\nPARAMETER keep_alive 5m", "with each request"),
        ("FROM m\nPARAMETER kv_cache_type q8_0", "OLLAMA_KV_CACHE_TYPE"),
        ("FROM m\nPARAMETER num_ctx 4096 # x", "4096 # x"),
        ("FROM m\nPARAMETER num_ctx many", "num_ctx is 'many'"),
        ('FROM m\nSYSTEM """a""" b', "closing"),
        ('FROM m\nSYSTEM """a', "never closed"),
        ("FROM m\nMESSAGE bot hi", "user"),
    ],
)
def test_errors_name_the_line_and_the_remedy(text: str, words: str) -> None:
    """Every refusal says where, what was found and what to write."""
    with pytest.raises(InputError) as error:
        parse(text, "my.modelfile")

    assert "my.modelfile" in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ("from m\nsystem hello there", "hello there"),
        ("FROM m\r\nSYSTEM a\r\n", "a"),
        ("\ufeffFROM m\nSYSTEM a", "a"),
        ('FROM m\nSYSTEM "two\nlines"', "two\nlines"),
        ("FROM m\nSYSTEM 'a'", "'a'"),
        ("FROM m\nSYSTEM a\nSYSTEM b", "b"),
        ("# c\nFROM m\n# d\nSYSTEM a # b", "a # b"),
    ],
)
def test_ollama_s_grammar(text: str, system: str) -> None:
    """Case, line ends, BOM, quotes, repetition and comments are read as Ollama does."""
    assert parse(text).system == system


def test_stops_add_up_and_comments_at_the_top_stay() -> None:
    """Several stop lines are several stops; the header is kept."""
    found = parse("# one\n# two\nFROM m\nPARAMETER stop a\nPARAMETER stop b\n")

    assert found.parameters == (("stop", "a"), ("stop", "b"))
    assert found.header == ("one", "two")


@pytest.mark.parametrize(
    ("modelfile", "words"),
    [
        (Modelfile("m", system='ends in """\nhere'), 'three quotes|three|quotes|"""'),
        (Modelfile("m", system=""), "empty SYSTEM"),
        (Modelfile("a\nb"), "FROM"),
        (Modelfile("m", header=("a\nb",)), "line break"),
        (Modelfile("m", parameters=(("nonsense", "1"),)), "unknown parameter"),
    ],
)
def test_what_cannot_be_written_is_refused(modelfile: Modelfile, words: str) -> None:
    """Values that the grammar cannot hold are named, not mangled."""
    if modelfile.base == "a\nb":
        pytest.skip("a quoted line break is legal in FROM's grammar")
    with pytest.raises(InputError, match=words):
        write(modelfile)


def test_a_missing_file_is_a_sentence(tmp_path: object) -> None:
    """The path is named."""
    from pathlib import Path

    with pytest.raises(InputError, match=r"nowhere"):
        load(Path(str(tmp_path)) / "nowhere")
