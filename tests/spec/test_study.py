"""The study file: what it gives, and what its errors say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tuner.spec.deploy import deploy_of
from tuner.spec.errors import InputError
from tuner.spec.shipped import studies
from tuner.spec.space import Choices, Range
from tuner.spec.study import Study, load

MINIMAL: dict[str, Any] = {"version": 1, "name": "x", "workload": {"prompts": "p.jsonl"}}
PROMPT = {"template": "do {task}", "expect": {"action": "do"}, "kind": "a"}

DEPLOY = {"folder": "srv", "reload": "restart it", "health": "http://127.0.0.1:8000/health"}


def write(folder: Path, prompts: list[Any] | None = None, **changes: Any) -> Path:
    """Write a study with its files into a folder."""
    (folder / "p.jsonl").write_text("\n".join(map(json.dumps, prompts or [PROMPT])))
    (folder / "slots.yaml").write_text("task: [sleep, work]")
    study = MINIMAL | {"workload": {"prompts": "p.jsonl", "slots": "slots.yaml"}} | changes
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def loaded(folder: Path, **changes: Any) -> Study:
    """Write and load a study."""
    return load(write(folder, **changes))


def test_the_packaged_study_loads() -> None:
    """What ships is valid and says what the README promises."""
    study = load(studies() / "task-api.yaml")

    assert study.objective == "correct"
    assert study.slos[0].max_s == 0.5
    assert study.workload.held_out
    assert study.workload.expects
    assert study.baseline["shots"] == 3
    assert isinstance(study.space["num_predict"], Range)
    assert isinstance(study.space["shots"], Choices)


def test_defaults_of_a_minimal_study(tmp_path: Path) -> None:
    """A study that only names prompts can be measured."""
    study = loaded(tmp_path)

    assert (study.engine, study.model, study.budget_s, study.seed) == (
        "llamacpp",
        "default",
        600,
        0,
    )
    assert study.slos == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spce": {}}, ["spce: unknown key 'spce'", "did you mean space?"]),
        ({"slo": [{"metric": "e2e", "max_mss": 5}]}, ["slo.0.max_mss", "did you mean max_ms?"]),
        ({"slo": [{"metric": "e3e", "max_ms": 5}]}, ["unknown metric 'e3e'"]),
        ({"slo": [{"metric": "throughput", "max_ms": 5}]}, ["not built yet"]),
        ({"slo": [{"metric": "e2e", "max_ms": -5}]}, ["slo.0.max_ms", "found -5"]),
        ({"engine": {"kind": "vllm", "flags": {"port": 1}}}, ["port is set by the tuner itself"]),
        ({"engine": {"kind": "lamacpp"}}, ["did you mean llamacpp?"]),
        ({"engine": {"kind": "fake", "attach": True}}, ["engine.attach: not built yet"]),
        ({"space": {"num_ctx": {"lo": 1, "high": 9}}}, ["space.num_ctx.lo", "did you mean low?"]),
        ({"engine": {"kind": "openai"}}, ["it needs url"]),
        ({"version": 2}, ["version"]),
        ({"space": {"num_ctx": []}}, ["space.num_ctx"]),
        ({"space": {"num_ctx": {"low": 9, "high": 1}}}, ["low 9 is not below high 1"]),
        ({"space": {"num_ctx": {"low": 1, "high": 9, "stp": 1}}}, ["space.num_ctx.stp", "step?"]),
        ({"space": {}}, ["space: empty; name a knob"]),
        ({"space": {"num_ctx": {"low": 1, "high": 9, "step": 90}}}, ["step 90 does not fit"]),
        ({"space": {"num_ctx": {"low": 0, "high": 9, "log": True}}}, ["above zero"]),
        ({"search": {"budget": "soon"}}, ["search.budget", "such as 90s"]),
        ({"search": {"sampler": "magic"}}, ["search.sampler", "'tpe' or 'random'", "'magic'"]),
        ({"guard": {"min_valid": 1.5}}, ["guard.min_valid", "1.5"]),
        ({"claim": {"starts": 0}}, ["claim.starts", "0"]),
        ({"claim": {"in_flight": "alone"}}, ["claim.in_flight", "'together' or 'apart'"]),
        (
            {"claim": {"starts": 4}, "engine": {"kind": "openai", "url": "http://127.0.0.1:1"}},
            ["claim.starts", "cannot be had"],
        ),
        ({"deploy": DEPLOY | {"folders": "x"}}, ["deploy.folders", "did you mean folder?"]),
        ({"deploy": {"folder": "srv"}}, ["deploy.reload: missing", "deploy.health: missing"]),
        ({"deploy": DEPLOY | {"folder": ""}}, ["deploy.folder"]),
        ({"deploy": DEPLOY | {"reload": []}}, ["deploy.reload: empty", "systemctl restart"]),
        ({"deploy": DEPLOY | {"reload": "a 'b"}}, ["deploy.reload: cannot be split into words"]),
        (
            {"deploy": DEPLOY | {"reload": ["a", ["b"]]}},
            ["deploy.reload: expected a list of words"],
        ),
        ({"deploy": DEPLOY | {"reload": 7}}, ["deploy.reload: expected a command"]),
        ({"deploy": DEPLOY | {"health": "127.0.0.1:8000/health"}}, ["deploy.health", "http:"]),
        ({"deploy": DEPLOY | {"within": "soon"}}, ["deploy.within", "such as 90s"]),
        ({"deploy": []}, ["deploy: expected a mapping"]),
        ({"objective": {}}, ["exactly one of maximize and minimize"]),
        ({"workload": {"prompts": "nowhere.jsonl"}}, ["no such file", "nowhere.jsonl"]),
        ({"workload": {"prompts": "p.jsonl", "load": {"concurrency": "two"}}}, ["workload.load"]),
    ],
)
def test_errors_name_file_key_and_remedy(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    """Each message holds the file, the key, what was found and what is allowed."""
    with pytest.raises(InputError) as error:
        loaded(tmp_path, **changes)

    text = str(error.value)
    assert "study.yaml" in text
    assert all(word in text for word in words), text


@pytest.mark.parametrize("reload", ["systemctl restart 'my server'",
                                    ["systemctl", "restart", "my server"]])  # fmt: skip
def test_where_results_serve_is_part_of_a_study(tmp_path: Path, reload: Any) -> None:
    """The folder lies beside the study; a command is a text or its words."""
    deploy = loaded(tmp_path, deploy=DEPLOY | {"reload": reload}).deploy

    assert deploy is not None
    assert deploy.folder == tmp_path / "srv"
    assert deploy.reload == ("systemctl", "restart", "my server")
    assert (str(deploy.health), deploy.within_s) == ("http://127.0.0.1:8000/health", 300.0)
    assert deploy_of(json.loads(json.dumps(deploy.document()))) == deploy
    assert loaded(tmp_path).deploy is None


def test_what_may_be_secret_in_a_section_is_not_repeated(tmp_path: Path) -> None:
    """A reload command may hold a key."""
    with pytest.raises(InputError) as error:
        loaded(tmp_path, deploy=DEPLOY | {"reload": "curl --header 'key: hunter2"})

    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("document", [{}, {"folder": "x"}, [], None, {"folder": 1, "reload": "a",
                                      "health": "x", "within_s": 1}])  # fmt: skip
def test_what_is_no_section_is_refused(document: Any) -> None:
    """Whatever was written down in its place."""
    with pytest.raises(ValueError, match=r"expected|no section"):
        deploy_of(document)


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        ([{"template": "x {day}"}], "unknown slot 'day'"),
        (
            [{"template": "x", "expct": {}}],
            "expct: unknown key 'expct'; allowed here: template",
        ),
        ([{"text": "x"}], "text: unknown key 'text'; allowed here: template, messages"),
        (
            [{"messages": [{"role": "assistant", "content": "x"}]}],
            "last message must be the user's",
        ),
        ([{"template": "x", "weight": 0}], "weight: expected greater than 0, found 0"),
        (
            [{"messages": [{"role": "user", "content": 5}]}],
            "messages.0.content: expected text, found 5",
        ),
        ([{"messages": []}], "the last message must be the user's"),
        ([{"template": "x {task:d}"}], "{task:d}: a slot takes no format; write {task}"),
    ],
)
def test_errors_in_prompts_name_the_line(tmp_path: Path, prompts: list[Any], words: str) -> None:
    """A bad line of prompts.jsonl is found by its number."""
    with pytest.raises(InputError, match=r"p\.jsonl:1") as error:
        load(write(tmp_path, prompts))

    assert words in str(error.value)


def test_an_invalid_schema_is_refused(tmp_path: Path) -> None:
    """A file that is no JSON Schema is bad input."""
    (tmp_path / "s.json").write_text('{"type": "objekt"}')

    with pytest.raises(InputError, match="not a JSON Schema"):
        loaded(tmp_path, workload={"prompts": "p.jsonl", "slots": "slots.yaml", "schema": "s.json"})


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_what_is_no_study_is_refused(tmp_path: Path, text: str) -> None:
    """Broken YAML and YAML of another shape are bad input."""
    path = tmp_path / "study.yaml"
    path.write_text(text)

    with pytest.raises(InputError, match=r"study\.yaml"):
        load(path)


def test_a_floor_on_correctness_needs_expectations(tmp_path: Path) -> None:
    """min_correct without `expect` cannot be judged, and that is said at once."""
    with pytest.raises(InputError, match="min_correct"):
        load(write(tmp_path, [{"template": "x"}], guard={"min_correct": 0.5}))


def test_the_workload_hash_follows_the_content(tmp_path: Path) -> None:
    """Another prompt is another workload, so that unlike runs are not compared."""
    first = loaded(tmp_path).workload.hash
    other = load(write(tmp_path, [PROMPT | {"kind": "b"}])).workload.hash

    assert first == loaded(tmp_path).workload.hash
    assert first != other


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        ("task: [", "not valid YAML"),
        ("1: [2]", "expected slot names"),
        ("task: []", "expected slot names"),
        ("task: [!!python/object:x y]", "not valid YAML"),
    ],
)
def test_a_broken_slots_file_is_named(tmp_path: Path, slots: str, words: str) -> None:
    """Its own path is in the message, not only the study's."""
    path = write(tmp_path)
    (tmp_path / "slots.yaml").write_text(slots)

    with pytest.raises(InputError, match=r"slots\.yaml:(1:)? .*" + words):
        load(path)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("rules: [", "not valid YAML"),
        ("5", "expected a mapping with rules"),
        ("rules: 5", "rules: expected a list"),
        ("rules: [{matc: a, shots: []}]", "did you mean match?"),
        ("rules: [{match: a, shots: [x]}]", "unknown shot 'x'"),
    ],
)
def test_a_broken_rules_file_is_named(tmp_path: Path, rules: str, words: str) -> None:
    """Rules in a file of their own are checked like the study."""
    (tmp_path / "d.yaml").write_text(rules)

    with pytest.raises(InputError) as error:
        loaded(tmp_path, workload={"prompts": "p.jsonl", "slots": "slots.yaml",
                                   "prompt": {"dynamic": "d.yaml"}})  # fmt: skip

    assert words in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"baseline": {"num_ctx": [1]}}, "baseline.num_ctx: expected a number, true or false"),
        ({"space": {"num_ctx": 512}}, "space.num_ctx: expected a list"),
        ({"space": {"num_ctx": {"low": "a", "high": 2}}}, "space.num_ctx.low: expected a number"),
        ({"space": {"num_ctx": [[1]]}}, "space.num_ctx.0: expected a number, true or false"),
        ({"engine": "llamacpp"}, "engine: expected a mapping"),
    ],
)
def test_one_mistake_is_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Where several types are allowed, the message does not list a complaint for each."""
    with pytest.raises(InputError) as error:
        loaded(tmp_path, **changes)

    assert said in str(error.value)
    assert "\n" not in str(error.value)
