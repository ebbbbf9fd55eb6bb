"""The managed vLLM over the stand-in: what costs a start, and bad days."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from tests.engines.vllm.test_contract import vllm
from tests.vllm.pythons import model, program, script
from tuner.engines.vllm.engine import Vllm
from tuner.engines.vllm.installed.program import find
from tuner.engines.vllm.settings.section import Fixed
from tuner.spec.errors import EngineMissing, StartFailed
from tuner.spec.values import Setting
from tuner.testing.engine_contract import send

T = TypeVar("T")


def use(engine: Vllm, work: Callable[[Vllm], Awaitable[T]]) -> T:
    """Run work with an engine and close it."""

    async def session() -> T:
        try:
            return await work(engine)
        finally:
            await engine.aclose()

    return asyncio.run(session())


def default(engine: Vllm, **settings: Setting) -> dict[str, Setting]:
    """Return the engine's defaults with a few settings."""
    return {name: knob.default for name, knob in engine.knobs.items()} | settings


def test_what_comes_to_the_same_shares_a_server(tmp_path: Path) -> None:
    """A setting without effect costs no start, and the result names it."""

    async def work(engine: Vllm) -> None:
        await engine.apply(default(engine))
        again = await engine.apply(default(engine, max_num_active_seqs=128))

        assert (again.changed, again.engine_start) == ("nothing", 1)

    use(vllm(tmp_path), work)


def test_starts_are_cold_once_and_warm_after(tmp_path: Path) -> None:
    """The first start of what is compiled is cold; another server of the same is warm."""

    async def work(engine: Vllm) -> list[str]:
        kinds = []
        for settings in (
            {"max_num_seqs": 8},
            {"max_num_seqs": 8, "scheduling_policy": "priority"},
            {"max_num_seqs": 16},
            {"max_num_seqs": 8},
        ):
            found = await engine.apply(default(engine, **settings))
            assert found.start is not None
            kinds.append(found.start.kind)
        return kinds

    assert use(vllm(tmp_path), work) == ["cold", "warm", "cold", "warm"]


def test_a_refused_candidate_costs_no_start(tmp_path: Path) -> None:
    """What the resolver refuses raises, typed, while the server that runs stays."""

    async def work(engine: Vllm) -> None:
        await engine.apply(default(engine))
        with pytest.raises(StartFailed, match="must be greater than or equal") as refused:
            await engine.apply(default(engine, max_num_seqs=64, max_num_batched_tokens=8))
        assert refused.value.reason == "bad_flag"
        assert engine.alive()
        assert (await engine.apply(default(engine))).changed == "nothing"

    use(vllm(tmp_path), work)


def test_a_start_without_memory_is_typed_and_survived(tmp_path: Path) -> None:
    """Out of memory is one failed start, with the tail of the log."""

    async def work(engine: Vllm) -> None:
        with pytest.raises(StartFailed, match="CUDA out of memory") as failed:
            await engine.apply(default(engine))
        assert failed.value.reason == "out_of_memory"
        assert not engine.alive()

    use(vllm(tmp_path, STANDIN_FAULT="oom"), work)


def test_a_start_has_a_deadline(tmp_path: Path) -> None:
    """A server that never comes up is stopped, and the sentence says after how long."""
    stuck = replace(Fixed(), start_timeout_s=0.2)

    async def work(engine: Vllm) -> None:
        with pytest.raises(StartFailed, match=r"not ready after 0\.2 s") as late:
            await engine.apply(default(engine))
        assert late.value.reason == "timeout"

    use(vllm(tmp_path, stuck), work)


def test_an_engine_that_died_behind_its_server_is_noticed(tmp_path: Path) -> None:
    """The API server lives on: its requests fail, it is named, and the next trial has a start."""

    async def work(engine: Vllm) -> None:
        await engine.apply(default(engine))
        (sample,) = await send(engine, default(engine), "Hello")
        assert sample.outcome == "error"
        assert engine.alive()
        assert engine.noticed() == "the engine behind the API server died"
        again = await engine.apply(default(engine))
        assert (again.changed, again.engine_start) == ("restart", 2)
        assert engine.noticed() is None

    use(vllm(tmp_path, STANDIN_FAULT="engine_dead"), work)


def test_a_page_without_names_takes_nothing_for_known(tmp_path: Path) -> None:
    """A metrics page that is cut leaves settings to the other sources."""

    async def work(engine: Vllm) -> None:
        found = await engine.apply(default(engine))
        assert not found.mismatches
        assert found.settings["max_model_len"] == 8192

    use(vllm(tmp_path, STANDIN_FAULT="half_page"), work)


def test_requests_neutralise_what_the_model_sets(tmp_path: Path) -> None:
    """Every sampling field is sent, and a schema by response_format."""
    engine = vllm(tmp_path)
    body = engine.request((), default(engine), {"type": "object"}).body.decode()

    for field in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty"):
        assert f'"{field}"' in body
    assert '"response_format"' in body
    assert "guided" not in body
    assert '"priority"' not in body


def test_flags_of_the_study_reach_the_server_and_the_files(tmp_path: Path) -> None:
    """A tool parser passes through unchanged; the study's own cache and port do not go along."""
    fixed = Fixed(flags={"tool-call-parser": "hermes", "enable-auto-tool-choice": True})

    async def work(engine: Vllm) -> None:
        await engine.apply(default(engine, max_num_seqs=8))
        service = engine.service(default(engine, max_num_seqs=8))
        assert service.flags["tool-call-parser"] == "hermes"
        assert service.flags["max-num-seqs"] == 8
        assert "VLLM_CACHE_ROOT" not in service.env
        assert service.start_s is not None

    use(vllm(tmp_path, fixed), work)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 1", "is no Python that answers"),
        ("echo hello", "is no Python that answers"),
        ("echo '{\"package\": null}'", "has no vLLM; install it there with"),
    ],
)
def test_a_python_without_vllm_is_told(text: str, said: str, tmp_path: Path) -> None:
    """Each kind of it gets a sentence with the next step."""
    with pytest.raises(EngineMissing, match=said):
        find(script(tmp_path, text))


def test_no_vllm_at_all_is_told(tmp_path: Path) -> None:
    """Without the program the sentence says how to install it, and how to name a Python."""
    with pytest.raises(EngineMissing, match="--vllm-python PATH"):
        find(None, str(tmp_path))


def test_a_program_names_its_python(tmp_path: Path) -> None:
    """The first line of the script `vllm` leads to the Python that has it."""
    program(tmp_path / "bin")

    assert find(None, str(tmp_path / "bin")).python == str(tmp_path / "bin" / "python")


def test_without_the_resolver_rules_stand_in(tmp_path: Path) -> None:
    """A vLLM that keeps its resolver elsewhere is served all the same, and the result says so."""

    async def work(engine: Vllm) -> None:
        resolved = await engine.resolve(default(engine, max_num_seqs=64))
        assert resolved.identity is not None
        assert "vLLM's resolver was not asked" in resolved.notes[0]

    engine = vllm(tmp_path)
    engine._preflight._resolver._python = script(tmp_path / "other", "exit 1")  # noqa: SLF001
    use(engine, work)


def test_a_model_folder_is_named_as_it_is(tmp_path: Path) -> None:
    """The model is asked for by the name that the server gives it."""
    folder = str(model(tmp_path / "model"))
    engine = vllm(tmp_path)

    assert f'"model": "{folder}"' in engine.request((), default(engine), None).body.decode()
