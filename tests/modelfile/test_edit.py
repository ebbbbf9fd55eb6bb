"""Modelfiles that somebody wrote, edited in place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.modelfile.document import Modelfile, parse, write
from tuner.modelfile.edit import edited
from tuner.spec.errors import InputError
from tuner.spec.values import Message

MINE = """# my model, do not touch
FROM llama3

# we tried 8192: too slow
PARAMETER num_ctx 4096
PARAMETER stop "<|a|>"
# why not
PARAMETER stop "<|b|>"
PARAMETER mirostat 1

SYSTEM \"\"\"Be
brief.\"\"\"
LICENSE mine
"""
AS_IT_IS = parse(MINE)
ALL = frozenset({"num_ctx", "stop", "temperature", "system", "shots"})


def test_what_already_says_so_is_not_touched() -> None:
    """The same settings leave the very same text."""
    assert edited(MINE, AS_IT_IS, ALL) == MINE


def test_values_change_where_they_stand_and_new_ones_follow_their_kind() -> None:
    """Comments, order, blank lines and everything that is no setting survive."""
    wanted = replace(
        AS_IT_IS,
        parameters=(("num_ctx", "2048"), ("stop", "<|a|>"), ("temperature", "0")),
        messages=(Message("user", "hi"), Message("assistant", "ho")),
    )

    assert edited(MINE, wanted, ALL) == (
        MINE.replace("num_ctx 4096", "num_ctx 2048")
        .replace('PARAMETER stop "<|b|>"\n', "")
        .replace("mirostat 1", "mirostat 1\nPARAMETER temperature 0")
        .replace(
            "LICENSE mine",
            'LICENSE mine\nMESSAGE user """hi"""\nMESSAGE assistant """ho"""',
        )
    )


def test_a_text_that_is_not_wanted_goes_with_its_line() -> None:
    """Without a system text the base's own counts."""
    found = parse(edited(MINE, replace(AS_IT_IS, system=None), ALL))

    assert (found.system, found.licenses) == (None, ("mine",))


def test_what_the_study_did_not_set_is_not_taken_away() -> None:
    """A result of Ollama holds no TEMPLATE, and parameters that nobody chose."""
    text = MINE + 'TEMPLATE """t"""\nPARAMETER presence_penalty 0.4\nMESSAGE user hi\n'
    wanted = parse("FROM other\nPARAMETER num_ctx 512\nPARAMETER seed -1")

    found = edited(text, wanted, {"num_ctx"})

    assert found == text.replace("num_ctx 4096", "num_ctx 512").replace(
        "penalty 0.4", "penalty 0.4\nPARAMETER seed -1"
    )
    assert edited(text, wanted, {"seed"}).startswith(MINE)


def test_a_template_is_replaced_only_by_another() -> None:
    """A result of the embedded engine holds the one that was measured."""
    text = MINE + 'TEMPLATE """mine"""\n'

    assert parse(edited(text, replace(AS_IT_IS, template="new"), ALL)).template == "new"
    assert parse(edited(text, AS_IT_IS, ALL)).template == "mine"


def test_a_file_that_ollama_would_refuse_is_not_edited() -> None:
    """The line that is wrong is named."""
    with pytest.raises(InputError, match="mine:2: unknown instruction"):
        edited("FROM a\nPARAMTER num_ctx 1\n", AS_IT_IS, ALL, "mine")


TEXT = st.text(alphabet='ab "\n', min_size=1, max_size=8).filter(str.strip)
MESSAGES = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXT), max_size=3)
PARAMETERS = st.dictionaries(
    st.sampled_from(["num_ctx", "top_k", "seed"]), st.integers(1, 9).map(str)
)
STOPS = st.lists(st.sampled_from(["<a>", "b c"]), max_size=3)


@st.composite
def modelfiles(draw: st.DrawFn) -> Modelfile:
    """Draw a Modelfile that can be written."""
    stops = tuple(("stop", stop) for stop in draw(STOPS))
    return Modelfile(
        base="m",
        system=draw(st.none() | TEXT),
        template=draw(st.none() | TEXT),
        parameters=(*draw(PARAMETERS).items(), *stops),
        messages=tuple(draw(MESSAGES)),
        licenses=tuple(draw(st.lists(TEXT, max_size=1))),
        header=("mine",),
    )


STUDIES = st.sets(st.sampled_from(["num_ctx", "top_k", "seed", "stop", "system", "shots"]))


@given(modelfiles(), modelfiles(), STUDIES)
def test_an_edit_says_what_the_study_set_and_keeps_the_rest(
    mine: Modelfile, wanted: Modelfile, study: set[str]
) -> None:
    """What the study set is the other's, all else the file's own; again changes nothing."""
    try:
        text = write(mine)
        write(wanted)
    except InputError:
        return  # a text that no Modelfile can hold

    once = edited(text, wanted, study)

    found = parse(once)
    for name in ("num_ctx", "top_k", "seed", "stop"):
        own = () if name in study else _values(mine, name)
        assert _values(found, name) == (own or _values(wanted, name))
    assert found.template == (wanted.template or mine.template)
    assert found.system == (wanted if "system" in study else mine).system
    assert found.messages == (wanted if "shots" in study else mine).messages
    assert (found.licenses, found.header, found.base) == (mine.licenses, mine.header, mine.base)
    assert edited(once, wanted, study) == once


def _values(modelfile: Modelfile, name: str) -> tuple[str, ...]:
    return tuple(value for known, value in modelfile.parameters if known == name)
