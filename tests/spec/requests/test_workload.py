"""Prompts: drawn without repetition, spread by weight, and blind to their answers."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.requests.conversation import (
    chosen_shots,
    conversation,
    openings,
    response_format,
    turns,
)
from tuner.spec.requests.workload import Supply, Template, Workload, distinct, fill, spread
from tuner.spec.shipped import studies
from tuner.spec.space import Choices, Range
from tuner.spec.study import load
from tuner.spec.values import Message

STUDY = load(studies() / "task-api.yaml")
WORKLOAD = STUDY.workload


def _first(n: int, fill_seed: int = 0, *, held_out: bool = False) -> list[str]:
    supply = Supply(WORKLOAD, held_out=held_out, seed=0)
    return [p.text for p in itertools.islice(supply.prompts(fill_seed), n)]


def test_prompts_do_not_repeat() -> None:
    """Two thousand prompts of one supply are two thousand different texts."""
    assert len(set(_first(2000))) == 2000


def test_another_fill_asks_the_same_templates_otherwise() -> None:
    """Candidates are compared on the same templates with other words in the slots."""
    supply = Supply(WORKLOAD, held_out=False, seed=0)
    one = list(itertools.islice(supply.prompts(1), 40))
    two = list(itertools.islice(supply.prompts(2), 40))

    assert [p.cluster for p in one] == [p.cluster for p in two]
    assert not {p.text for p in one} & {p.text for p in two}


def test_supplies_are_repeatable() -> None:
    """The same seed and fill give the same prompts, so that sides can be paired."""
    assert _first(50, 7, held_out=True) == _first(50, 7, held_out=True)


def test_every_prefix_holds_the_kinds_in_proportion() -> None:
    """Already the first twenty prompts hold each kind about as often as it weighs."""
    supply = Supply(WORKLOAD, held_out=False, seed=3)
    kinds = Counter(p.kind for p in itertools.islice(supply.prompts(0), 20))

    assert set(kinds) == {"create", "list", "update", "delete", "complete"}
    assert 4 <= kinds["create"] <= 8


def test_each_template_has_its_turn_before_one_comes_again() -> None:
    """As many held-out prompts as there are templates are of different templates."""
    templates = len(WORKLOAD.part(held_out=True))
    supply = Supply(WORKLOAD, held_out=True, seed=0)
    first = [p.cluster for p in itertools.islice(supply.prompts(0), 2 * templates)]

    assert len(set(first[:templates])) == templates
    assert sorted(first[templates:]) == sorted(first[:templates])
    assert first[templates:] != first[:templates]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 99))
def test_spread_visits_by_weight(weights: list[int], seed: int) -> None:
    """Each template comes as often as its weight says, relative to the lightest."""
    templates = tuple(Template(str(i), (), None, "k", w) for i, w in enumerate(weights))
    counts = Counter(t.id for t in spread(templates, np.random.default_rng(seed)))

    least = min(weights)
    assert counts == {str(i): round(w / least) for i, w in enumerate(weights)}


def test_slots_keep_their_type_in_what_is_expected() -> None:
    """An id is expected as a number where the slot holds numbers."""
    template = Template(
        "t", (Message("user", "delete {id}"),), {"params": {"id": "{id}", "n": "no {id}"}}, "k"
    )

    prompt = fill(template, Workload((), {"id": (7,)}), np.random.default_rng(0), "x")

    assert prompt.expect == {"params": {"id": 7, "n": "no 7"}}
    assert prompt.text == "delete 7"


def test_dynamic_shots_see_the_text_alone() -> None:
    """Shuffling kinds and expectations changes not one request."""
    candidate = dict(STUDY.baseline) | {"shots": "dynamic"}
    prompts = list(itertools.islice(Supply(WORKLOAD, held_out=False, seed=0).prompts(0), 100))
    other = [replace(p, kind="?", expect=None) for p in prompts]

    def sent(these: list) -> list:  # type: ignore[type-arg]
        return [conversation(p.messages, candidate, WORKLOAD) for p in these]

    assert sent(prompts) == sent(other)
    assert len({chosen_shots(candidate, WORKLOAD, p.text) for p in prompts}) > 3


def test_openings_are_all_choices_of_shots() -> None:
    """Whatever a text says, what goes before it is one of them; fixed shots have one."""
    dynamic = dict(STUDY.baseline) | {"shots": "dynamic"}
    prompts = itertools.islice(Supply(WORKLOAD, held_out=False, seed=0).prompts(0), 200)
    found = openings(dynamic, WORKLOAD)

    assert {chosen_shots(dynamic, WORKLOAD, p.text) for p in prompts} <= set(found)
    assert len(set(found)) == len(found) > 3
    assert openings({"shots": 2}, WORKLOAD) == (WORKLOAD.shots[:2],)
    assert openings({}, WORKLOAD) == ((),)


def test_a_conversation_is_system_shots_then_the_user() -> None:
    """The prompt knobs shape the request in the order that Ollama sends a Modelfile's parts."""
    messages = (Message("user", "hi"),)

    found = conversation(messages, {"system": "compact", "shots": 2}, WORKLOAD)

    assert [m.role for m in found] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert found[1:5] == turns(WORKLOAD.shots[:2])
    assert conversation(messages, {}, WORKLOAD) == messages


def test_formats() -> None:
    """none, json and schema are what the request asks for."""
    assert response_format({"format": "none"}, WORKLOAD) is None
    assert response_format({"format": "json"}, WORKLOAD) == "json"
    assert response_format({"format": "schema"}, WORKLOAD) is WORKLOAD.schema


@given(st.floats(0.0, 1.0))
def test_neighbours_of_a_range_are_other_values_inside(value: float) -> None:
    """A neighbour differs and stays within the bounds."""
    dimension = Range(0.0, 1.0)

    assert all(n != value and dimension.contains(n) for n in dimension.neighbours(value))


def test_neighbours_of_choices_are_beside_them() -> None:
    """Numbers have the numbers beside them; a word is beside everything."""
    shots = Choices((0, 1, 2, 3, "dynamic"))

    assert shots.ordered
    assert shots.neighbours(1) == (0, 2, "dynamic")
    assert shots.neighbours("dynamic") == (0, 1, 2, 3)
    assert not Choices(("none", "json")).ordered


def test_distinct_prompts_are_counted() -> None:
    """Templates times the values of their slots; what is the same twice counts once."""

    def template(text: str) -> Template:
        return Template(text, (Message("user", text),), None, "k")

    slots = {"a": ("x", "y", "x"), "b": (1, 2, 3)}
    texts = ("plain", "plain", "{a}", "{a} {b}", "{b} {b}")

    assert distinct([template(t) for t in texts], slots) == 1 + 2 + 2 * 3 + 3
