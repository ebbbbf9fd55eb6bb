"""What a study says is told apart by digests, new fields included and secrets left out."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from tests.workflow.worlds import study, world
from tuner.engines.command.server import Server
from tuner.spec.identity import declared, digests, workload_digest
from tuner.spec.requests.workload import Shot, ShotRule, Template, Workload
from tuner.spec.space import Choices
from tuner.spec.study import Study
from tuner.spec.values import Guard, Load, Message, Slo
from tuner.testing.simulated import SimulatedEngine
from tuner.workflow.measuring.environment import identity

MAY_DIFFER = {
    "budget_s", "stop_when_met", "file", "beside", "notify", "deploy", "promote", "prompts",
}  # fmt: skip
"""How long a run goes on, where its study lies, when production leaves it room, who is told, and
where and by whose word its result is put into service."""

OTHER: dict[str, Any] = {
    "name": "another",
    "engine": "command",
    "model": "another",
    "workload": replace(study().workload, hash="another"),
    "url": "http://127.0.0.1:1",
    "server": Server(("another",)),
    "slos": (Slo("ttft", 0.99, 0.3),),
    "guard": Guard(0.1),
    "space": {"num_batch": Choices((32, 64))},
    "sampler": "random",
    "seed": 7,
    "objective": "memory",
}


@pytest.mark.parametrize("name", [f.name for f in fields(Study)])
def test_every_field_of_a_study_tells_runs_apart_but_those_that_may_differ(name: str) -> None:
    """A field that nobody thought of counts: what may differ is named, not what must agree."""
    if name in MAY_DIFFER:
        return
    engine = SimulatedEngine(world)
    made = study(**{name: OTHER.get(name, {"another": 1})})
    base = {"num_batch": 64} if name == "baseline" else {}

    assert identity(made, engine, base) != identity(study(), engine, {})


@pytest.mark.parametrize(
    "change",
    [
        {"command": ("serve", "--slots", "8")},
        {"env": {"GPU": "1"}},
        {"ready": "/ready"},
        {"start_timeout_s": 7.0},
    ],
)
def test_each_part_of_a_declared_server_counts(change: dict[str, Any]) -> None:
    """Its command, its environment and how it is waited for."""
    server = Server(("serve", "--slots", "4"), {"GPU": "0"})

    assert declared(study(engine_settings=server)) != declared(
        study(engine_settings=replace(server, **change))
    )


@pytest.mark.parametrize("load", [Load(timeout_s=5.0), Load(client_processes=2), Load(4)])
def test_each_part_of_the_load_counts(load: Load) -> None:
    """Time-outs and client processes, too, of which its name says nothing."""
    workload = replace(study().workload, load=load)

    assert declared(study(workload=workload)) != declared(study())


@pytest.mark.parametrize(
    "change",
    [
        {"templates": study().workload.templates[1:]},
        {"slots": {"n": (1, 2)}},
        {"slots": {"n": tuple(str(n) for n in range(500))}},
        {"schema": None},
        {"systems": {"a": "Be brief."}},
        {"shots": (Shot("a", "b", "c"),)},
        {"rules": (ShotRule("x", ("a",)),)},
        {"default_shots": ("a",)},
        {"templates": tuple(replace(t, weight=2.0) for t in study().workload.templates)},
        {"templates": tuple(replace(t, kind="k") for t in study().workload.templates)},
        {"templates": tuple(replace(t, expect={}) for t in study().workload.templates)},
    ],
)
def test_each_part_of_a_workload_counts(change: dict[str, Any]) -> None:
    """What is sent and what is right; a number is another value than its digits."""
    workload = study().workload

    assert workload_digest(replace(workload, **change)) != workload_digest(workload)


def test_what_lines_got_later_leaves_a_digest_as_it_was_where_it_is_unset() -> None:
    """A run that an earlier version began goes on; a length that is set counts."""
    line = Template("a", (Message("user", "Say {x}"),), {"contains": "1"}, "k", at_s=0.5)
    lines = [line, replace(line, output_tokens=3), replace(line, prompt_tokens=3)]
    found = [workload_digest(Workload((one,), {"x": ("1",)})) for one in lines]

    assert found[0] == "b631fcbb76b60efe"
    assert len(set(found)) == 3


@dataclass(frozen=True)
class Remote:
    """What a study may come to say of a server that somebody else runs."""

    url: str
    headers: dict[str, str]
    api_key_env: str = "KEY"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"HF_TOKEN": "a"}, {"HF_TOKEN": "b"}, True),
        ({"X-Api-Key": "a"}, {"X-Api-Key": "b"}, True),
        ({"TOKENIZERS": "a"}, {"TOKENIZERS": "b"}, False),
        ({"max_tokens": 1}, {"max_tokens": 2}, False),
        (["serve", "--api-key", "a"], ["serve", "--api-key", "b"], True),
        (["serve", "--api-key=a"], ["serve", "--api-key=b"], True),
        (["serve", "--port", "1"], ["serve", "--port", "2"], False),
        ("http://me:a@h/v1?x=1&token=a", "http://me:b@h/v1?x=1&token=b", True),
        ("http://h/v1?x=1", "http://h/v1?x=2", False),
        (Remote("u", {"Authorization": "a"}), Remote("u", {"Authorization": "b"}), True),
        (Remote("u", {"X-Tenant": "a"}), Remote("u", {"X-Tenant": "b"}), False),
        (Remote("u", {}, "KEY"), Remote("u", {}, "OTHER"), False),
        ((("Authorization", "a"),), (("Authorization", "b"),), True),
    ],
)  # fmt: skip
def test_secrets_are_left_out_wherever_they_stand(one: Any, other: Any, alike: bool) -> None:
    """A new key is no other engine; which variable holds it is declared, and counts."""
    assert (digests(one) == digests(other)) is alike
