"""The data of the packaged study holds what its study file and its guard rely on.

Reads the files only: the loader of the product is tested elsewhere.
"""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

DATA = Path(__file__).parents[2] / "studies" / "task-api"
ACTIONS = {
    "create": "create_task",
    "list": "list_tasks",
    "update": "update_task",
    "delete": "delete_task",
    "complete": "complete_task",
}
SHARES = {"create": 0.30, "list": 0.20, "update": 0.20, "delete": 0.15, "complete": 0.15}
SLOT = re.compile(r"\{(\w+)\}")
ONE_OF_EACH = {
    "id": 7,
    "title": "buy milk",
    "due": "friday",
    "person": "Anna",
    "tag": "home",
    "priority": "low",
}
# What llama.cpp's json-schema-to-grammar and llguidance both turn into a grammar.
GRAMMAR_KEYWORDS = {
    "$schema", "title", "type", "properties", "required", "additionalProperties", "anyOf",
    "const", "enum", "minLength", "maxLength", "minimum", "maximum",
}  # fmt: skip


def read_lines(name: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file."""
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


PROMPTS = read_lines("prompts.jsonl")
SEARCH = [p for p in PROMPTS if not p["held_out"]]
HELD_OUT = [p for p in PROMPTS if p["held_out"]]
SLOTS: dict[str, list[Any]] = yaml.safe_load((DATA / "slots.yaml").read_text())
SHOTS = read_lines("shots.jsonl")
SHOT = {shot["id"]: shot for shot in SHOTS}
DYNAMIC = yaml.safe_load((DATA / "dynamic.yaml").read_text())
SCHEMA = json.loads((DATA / "answer.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

both_parts = pytest.mark.parametrize("part", [SEARCH, HELD_OUT], ids=["search", "held-out"])


def by_template(prompt: dict[str, Any]) -> str:
    """Name a case by its template."""
    return str(prompt["template"])


def fill(value: Any, values: dict[str, Any]) -> Any:
    """Put slot values into a string or, recursively, into what holds strings."""
    if isinstance(value, dict):
        return {key: fill(inner, values) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    if whole := SLOT.fullmatch(value):
        return values[whole[1]]
    return SLOT.sub(lambda slot: str(values[slot[1]]), value)


def expansions(prompt: dict[str, Any], text: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield every choice of values for the slots of a prompt, or of another text."""
    names = sorted(set(SLOT.findall(prompt["template"] if text is None else text)))
    for values in itertools.product(*(SLOTS[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def sentences(part: list[dict[str, Any]]) -> set[str]:
    """Return every sentence that a part can produce, without regard to case."""
    return {fill(p["template"], values).lower() for p in part for values in expansions(p)}


def chosen(text: str) -> list[str]:
    """Return the ids of the shots that the dynamic rules choose for a request text."""
    for rule in DYNAMIC["rules"]:
        if re.search(rule["match"], text, re.IGNORECASE):
            return list(rule["shots"])
    return list(DYNAMIC["default"])


def share_right(part: list[dict[str, Any]]) -> float:
    """Return the share, by weight, of templates whose last chosen shot shows the right action.

    Each template counts with several of its sentences, as titles may hold misleading words.
    """
    right = total = 0.0
    for prompt in part:
        every = list(expansions(prompt))
        picked = every[:: max(1, len(every) // 25)]
        hits = sum(
            SHOT[chosen(fill(prompt["template"], values))[-1]]["assistant"]["action"]
            == prompt["expect"]["action"]
            for values in picked
        )
        right += prompt["weight"] * hits / len(picked)
        total += prompt["weight"]
    return right / total


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and all schemas inside it."""
    yield schema
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
        yield from subschemas(inner)


def test_enough_templates_in_both_parts() -> None:
    """The search has at least 70 templates and the confirmation at least 200 clusters."""
    assert len(SEARCH) >= 70
    assert len(HELD_OUT) >= 200


@pytest.mark.parametrize("prompt", PROMPTS, ids=by_template)
def test_prompt_line_is_complete(prompt: dict[str, Any]) -> None:
    """Every line has exactly the agreed keys, and its kind and expected action agree."""
    assert list(prompt) == ["template", "expect", "kind", "weight", "held_out"]
    assert isinstance(prompt["weight"], int)
    assert prompt["weight"] >= 1
    assert prompt["expect"]["action"] == ACTIONS[prompt["kind"]]
    assert set(prompt["expect"]) <= {"action", "params"}


@both_parts
def test_kinds_have_their_shares(part: list[dict[str, Any]]) -> None:
    """Each kind's share by weight is within 5 points of what the study says, in both parts."""
    total = sum(p["weight"] for p in part)
    for kind, share in SHARES.items():
        weight = sum(p["weight"] for p in part if p["kind"] == kind)
        assert weight / total == pytest.approx(share, abs=0.05), kind


def test_slots_are_closed_both_ways() -> None:
    """Every slot that a template uses has values, and no slot is left unused."""
    used = {name for p in PROMPTS for name in SLOT.findall(p["template"])}
    assert used == set(SLOTS)


@pytest.mark.parametrize("name", sorted(SLOTS))
def test_slot_values_are_distinct_and_of_one_type(name: str) -> None:
    """Slot values are unique, and strings, except ids, which are integers within the schema."""
    values = SLOTS[name]
    assert len(set(values)) == len(values)
    assert {type(value) for value in values} == ({int} if name == "id" else {str})


def test_enough_titles_and_ids() -> None:
    """There are at least 60 titles and 40 ids, so that prompts hardly ever repeat."""
    assert len(SLOTS["task"]) >= 60
    assert len(SLOTS["id"]) >= 40


@pytest.mark.parametrize("prompt", PROMPTS, ids=by_template)
def test_expectation_uses_only_slots_of_its_template(prompt: dict[str, Any]) -> None:
    """An expected value can be told from the request text alone."""
    assert set(SLOT.findall(json.dumps(prompt["expect"]))) <= set(SLOT.findall(prompt["template"]))


@both_parts
def test_thousands_of_distinct_sentences(part: list[dict[str, Any]]) -> None:
    """Each part gives well over 2,000 distinct sentences, and hundreds for each kind."""
    assert len(sentences(part)) >= 4000
    for kind in ACTIONS:
        assert len(sentences([p for p in part if p["kind"] == kind])) >= 500, kind


@pytest.mark.parametrize("prompt", PROMPTS, ids=by_template)
def test_template_can_be_visited_often(prompt: dict[str, Any]) -> None:
    """Each template gives at least 50 sentences: a long confirmation need not repeat one."""
    assert len(sentences([prompt])) >= 50


def test_no_sentence_is_in_both_parts() -> None:
    """The confirmation never asks what the search has asked."""
    assert sentences(SEARCH).isdisjoint(sentences(HELD_OUT))


def test_templates_differ_in_more_than_manners() -> None:
    """No two templates are alike after dropping case, punctuation, slot names and fillers."""
    fillers = {"please", "can", "could", "would", "you", "the", "a", "an", "my"}
    bare = [
        " ".join(w for w in re.findall(r"[\w']+", SLOT.sub("_", p["template"]).lower())
                 if w not in fillers)
        for p in PROMPTS
    ]  # fmt: skip
    assert sorted(bare) == sorted(set(bare))


@pytest.mark.parametrize("prompt", PROMPTS, ids=by_template)
def test_sentences_have_4_to_14_words(prompt: dict[str, Any]) -> None:
    """Sentences are as short as users type them."""
    lengths = {len(fill(prompt["template"], values).split()) for values in expansions(prompt)}
    assert min(lengths) >= 4
    assert max(lengths) <= 14


@pytest.mark.parametrize("prompt", PROMPTS, ids=by_template)
def test_expectation_can_be_completed_to_a_valid_answer(prompt: dict[str, Any]) -> None:
    """For every slot value some answer matches `expect` and the schema, so no prompt is lost."""
    for values in expansions(prompt, json.dumps(prompt["expect"])):
        expect = fill(prompt["expect"], values)
        params = expect.get("params", {})
        more: list[dict[str, Any]] = [{}, *({k: v} for k, v in ONE_OF_EACH.items())]
        more += [{"id": 7, "due": "friday"}]
        answers = [{**expect, "params": {**extra, **params}, "success": True} for extra in more]
        assert any(VALIDATOR.is_valid(answer) for answer in answers), expect


def test_schema_is_valid_and_ordered() -> None:
    """The schema is JSON Schema 2020-12 with one closed object per action, keys in order."""
    Draft202012Validator.check_schema(SCHEMA)
    actions = [branch["properties"]["action"]["const"] for branch in SCHEMA["anyOf"]]
    assert actions == list(ACTIONS.values())
    for branch in SCHEMA["anyOf"]:
        assert list(branch["properties"]) == branch["required"] == ["action", "params", "success"]


def test_schema_can_become_a_grammar() -> None:
    """Every keyword is one that grammar converters know, and every value is bounded."""
    for schema in subschemas(SCHEMA):
        assert set(schema) <= GRAMMAR_KEYWORDS
        kind = schema.get("type")
        if kind == "object":
            assert schema["additionalProperties"] is False
        if kind == "string":
            assert "enum" in schema or "maxLength" in schema
        if kind == "integer":
            assert {"minimum", "maximum"} <= set(schema)


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "create_task", "params": {"id": 7}, "success": True},
        {"action": "create_task", "params": {"title": "x" * 41}, "success": True},
        {"action": "list_tasks", "params": {"status": "later"}, "success": True},
        {"action": "update_task", "params": {"id": 7}, "success": True},
        {"action": "delete_task", "params": {"id": "7"}, "success": True},
        {"action": "delete_task", "params": {"id": 7, "due": "friday"}, "success": True},
        {"action": "complete_task", "params": {"id": 10000}, "success": True},
        {"action": "complete_task", "params": {"id": 7}},
        {"action": "remove_task", "params": {"id": 7}, "success": True},
    ],
    ids=json.dumps,
)
def test_schema_refuses_params_of_another_action(answer: dict[str, Any]) -> None:
    """Params that do not belong to the action, or are out of range, are schema violations."""
    assert not VALIDATOR.is_valid(answer)


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: str(shot["id"]))
def test_shot_is_a_valid_answer_in_order(shot: dict[str, Any]) -> None:
    """A shot shows exactly what the schema asks, keys in the same order, under its own name."""
    assert list(shot) == ["id", "user", "assistant"]
    VALIDATOR.validate(shot["assistant"])
    assert list(shot["assistant"]) == ["action", "params", "success"]
    assert ACTIONS[shot["id"].split("-")[0]] == shot["assistant"]["action"]


def test_shots_cover_the_actions_early() -> None:
    """Twelve shots with unique ids: the first five cover all actions, and so do the next five."""
    actions = [shot["assistant"]["action"] for shot in SHOTS]
    assert len(SHOT) == len(SHOTS) == 12
    assert set(actions[:5]) == set(actions[5:10]) == set(ACTIONS.values())


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: str(shot["id"]))
def test_shot_answers_no_prompt(shot: dict[str, Any]) -> None:
    """No template can produce a shot's text, and its id and title are never the right answer."""
    for prompt in PROMPTS:
        literals = map(re.escape, re.split(r"\{\w+\}", prompt["template"]))
        assert not re.fullmatch(".+".join(literals), shot["user"], re.IGNORECASE)
    assert shot["assistant"]["params"].get("id") not in SLOTS["id"]
    assert shot["assistant"]["params"].get("title") not in SLOTS["task"]


def test_dynamic_rules_compile_and_name_shots() -> None:
    """Each rule is a regular expression with one to three shots that exist."""
    for rule in DYNAMIC["rules"]:
        assert set(rule) == {"match", "shots"}
        re.compile(rule["match"], re.IGNORECASE)
    for ids in [DYNAMIC["default"], *(rule["shots"] for rule in DYNAMIC["rules"])]:
        assert 1 <= len(ids) <= 3
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(SHOT)


def test_dynamic_rules_fit_the_search_templates() -> None:
    """The shot closest to the question shows the right action for at least 90 % of requests.

    Held-out templates are left out on purpose: rules are never fitted to them.
    """
    assert share_right(SEARCH) >= 0.9


@pytest.mark.parametrize(("name", "low", "high"), [("full", 170, 200), ("compact", 40, 50)])
def test_system_prompt_has_its_length(name: str, low: int, high: int) -> None:
    """The system prompts cost about 256 and 64 tokens, which is this many words."""
    text = (DATA / f"system-{name}.txt").read_text()
    assert low <= len(text.split()) <= high
    assert all(action in text for action in ACTIONS.values())
