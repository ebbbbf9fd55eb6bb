"""The real embedded engine: what only it can show."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.engines.test_contract import packaged_model
from tuner.engines.llamacpp.engine import KNOBS, LlamaCpp, embedded_server, mismatches
from tuner.engines.serving import control
from tuner.load.arrivals import Call
from tuner.load.drive import drive
from tuner.modelfile.chat_template import compose, derive
from tuner.spec.requests.conversation import conversation
from tuner.spec.requests.workload import Supply
from tuner.spec.shipped import studies
from tuner.spec.study import load
from tuner.spec.values import Load, Message, Prompt, Sample

DEFAULT = {name: knob.default for name, knob in KNOBS.items()}


@pytest.mark.embedded
@pytest.mark.parametrize(("form", "finish"), [(None, "length"), ({"type": "boolean"}, "stop")])
def test_an_answer_goes_on_to_its_length_unless_a_form_ends_it(
    form: object, finish: str, tmp_path: Path
) -> None:
    """A server that may not end what a grammar ends answers with an error."""
    prompt = Prompt("p", "t", "k", (Message("user", "Is water wet?"),), output_tokens=40)

    async def answered() -> Sample:
        engine = LlamaCpp(packaged_model(), tmp_path, embedded_server())
        try:
            await engine.apply(DEFAULT)
            asked = engine.request(prompt.messages, DEFAULT, form, prompt.output_tokens)
            transport = engine.transport()
            calls = iter([Call(prompt, asked)])
            driven = await drive(calls, Load(), transport, engine.read, engine_start=1)
            await transport.aclose()
            return driven.samples[0]
        finally:
            await engine.aclose()

    found = asyncio.run(answered())

    assert (found.outcome, found.finish) == ("ok", finish)
    assert (found.output_tokens == 40) is (form is None)


@pytest.mark.embedded
def test_the_template_gives_the_prompt_that_was_measured(tmp_path: Path) -> None:
    """The Modelfile's TEMPLATE and the engine's own template agree on real conversations."""
    workload = load(studies() / "task-api.yaml").workload
    model = packaged_model()
    fmt = derive(model.chat_template or "", model.bos_token, model.eos_token)
    prompts = list(itertools.islice(Supply(workload, held_out=False, seed=0).prompts(0), 6))
    candidates = [{"system": s, "shots": n} for s in ("none", "full") for n in (0, 2, "dynamic")]

    async def engine_s(conversations: list) -> list[str]:  # type: ignore[type-arg]
        engine = LlamaCpp(model, tmp_path, embedded_server())
        try:
            address = (await engine.apply(DEFAULT)).address
            bodies = [{"messages": [{"role": m.role, "content": m.content} for m in c]}
                      for c in conversations]  # fmt: skip
            answers = [await control.call("POST", f"{address}/apply-template", b) for b in bodies]
            return [answer["prompt"] for _, answer in answers]
        finally:
            await engine.aclose()

    conversations = [
        conversation(p.messages, c, workload) for p, c in zip(prompts, candidates, strict=True)
    ]
    assert fmt is not None
    assert [compose(fmt, c) for c in conversations] == asyncio.run(engine_s(conversations))


@pytest.mark.parametrize(
    ("asked", "real", "found"),
    [
        ({"num_ctx": 600}, {"num_ctx": 768}, []),  # llama.cpp pads to 256
        ({"num_ctx": 16384}, {"num_ctx": 8192}, ["num_ctx"]),  # and cuts at the trained length
        ({"temperature": 0.3}, {"temperature": 0.30000001192092896}, []),
        ({"num_batch": 512}, {"num_batch": 256}, ["num_batch"]),
        ({"flash_attention": "auto"}, {"flash_attention": "on"}, []),
        ({"flash_attention": "off"}, {"flash_attention": "on"}, ["flash_attention"]),
    ],
)
def test_what_counts_as_a_mismatch(
    asked: dict[str, object], real: dict[str, object], found: list[str]
) -> None:
    """Padding and 32-bit floats are no differences; cut, ignored and replaced settings are."""
    said = mismatches(DEFAULT | asked, DEFAULT | asked | real)  # type: ignore[arg-type]

    assert [text.split(":")[0] for text in said] == found


def test_what_the_engine_does_not_tell_is_a_mismatch() -> None:
    """A setting that cannot be read back is not taken on trust."""
    settings = {k: v for k, v in DEFAULT.items() if k != "num_thread"}

    assert "does not say" in mismatches(DEFAULT, settings)[0]
