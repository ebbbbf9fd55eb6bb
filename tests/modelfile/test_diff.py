"""Differences of Modelfiles: what changes, what stays, and what each costs."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.modelfile.test_document import FILES
from tuner.modelfile.diff import Change, changes, inheriting
from tuner.modelfile.document import Modelfile, parse

BLOB_A, BLOB_B = (f"/models/blobs/sha256-{letter * 64}" for letter in "ab")


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


def test_a_value_is_the_same_however_it_is_written() -> None:
    """A server shows 1.0 as 1 and a switch as true or false."""
    written = "PARAMETER top_p 0.90\nPARAMETER temperature 1.0\nPARAMETER use_mmap 1"
    shown = "PARAMETER temperature 1\nPARAMETER top_p 0.9\nPARAMETER use_mmap true"

    assert changes(parse(f"FROM a\n{written}"), parse(f"FROM a\n{shown}")) == []


def test_a_blob_beside_a_name_is_no_agreement() -> None:
    """Whether the weights are the same is not known, and that is what is said."""
    (found,) = changes(parse(f"FROM {BLOB_A}"), parse("FROM llama3"))

    assert (found.what, found.b, found.cost) == ("FROM", "llama3:latest", "unknown")


def test_blobs_are_compared_by_their_digest() -> None:
    """Folders and names do not count; other weights are a reload, told by name."""
    elsewhere = f"FROM C:\\blobs\\sha256-{'a' * 64}"
    assert changes(parse(f"FROM {BLOB_A}"), parse(elsewhere), ("x", "y")) == []

    (found,) = changes(parse(f"FROM {BLOB_A}"), parse(f"FROM {BLOB_B}"), ("", "y"))
    assert found == Change("FROM", f"sha256:{'a' * 12}", f"y:latest (sha256:{'b' * 12})", "reload")


def test_a_file_has_the_weights_and_all_that_it_leaves_to_its_base() -> None:
    """What it says again counts, an empty text does not."""
    base = parse(f"FROM {BLOB_A}\nTEMPLATE t\nSYSTEM s\nPARAMETER stop x\nPARAMETER seed 1")
    whole = inheriting(parse('FROM a\nSYSTEM ""\nPARAMETER seed 2'), base)

    assert (whole.base, whole.template, whole.system) == (BLOB_A, "t", "s")
    assert dict(whole.parameters) == {"seed": "2", "stop": "x"}
