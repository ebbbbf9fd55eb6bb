"""Differences of Modelfiles: what changes, what stays, and what each costs."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.render.test_modelfile import FILES
from tuner.render.diff import changes
from tuner.render.modelfile import Modelfile, parse


@given(FILES)
def test_a_file_does_not_differ_from_itself(modelfile: Modelfile) -> None:
    """Whatever it holds."""
    assert changes(modelfile, modelfile) == []


@pytest.mark.parametrize(
    ("a", "b", "what", "cost"),
    [
        ("FROM a", "FROM b", "FROM", "reload"),
        ("FROM a\nPARAMETER num_ctx 1", "FROM a\nPARAMETER num_ctx 2", "PARAMETER num_ctx",
         "reload"),
        ("FROM a", "FROM a\nPARAMETER num_thread 2", "PARAMETER num_thread", "reload"),
        ("FROM a\nPARAMETER top_k 1", "FROM a", "PARAMETER top_k", "nothing"),
        ("FROM a\nSYSTEM x", "FROM a\nSYSTEM y", "SYSTEM", "nothing"),
        ("FROM a", "FROM a\nMESSAGE user x", "MESSAGE", "nothing"),
        ("FROM a\nADAPTER ./x", "FROM a", "ADAPTER", "reload"),
        ("FROM a\nPARAMETER stop x", "FROM a\nPARAMETER stop x\nPARAMETER stop y", "PARAMETER stop",
         "nothing"),
    ],
)  # fmt: skip
def test_each_change_has_its_cost(a: str, b: str, what: str, cost: str) -> None:
    """Weights and runner options are a reload, all else is looked up at each request."""
    (found,) = changes(parse(a), parse(b))

    assert (found.what, found.cost) == (what, cost)


def test_the_tag_that_is_meant_is_no_change() -> None:
    """`a` is `a:latest`, and the last of two settings counts."""
    assert changes(parse("FROM a"), parse("FROM a:latest")) == []
    assert changes(parse("FROM a\nPARAMETER seed 1\nPARAMETER seed 2"),
                   parse("FROM a\nPARAMETER seed 2")) == []  # fmt: skip


def test_a_blob_is_not_compared_with_a_name() -> None:
    """A server names the blob that it serves, which says nothing of the base's name."""
    assert changes(parse(f"FROM /models/blobs/sha256-{'a' * 64}"), parse("FROM llama3")) == []
