"""A real vLLM on a CPU: tuned, put into service by its own file, starved, refused and killed.

Minutes long and run by hand (`make test-vllm`); all else that CI knows of vLLM was recorded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tests.engines.vllm.test_engine import default, use
from tests.vllm import build
from tests.vllm.installed import python
from tests.vllm.pythons import script
from tests.workflow.worlds import Recorder
from tuner.engines.serving.launch import Launch, free_port, launch
from tuner.engines.vllm import readback
from tuner.engines.vllm.create import create
from tuner.engines.vllm.engine import Vllm
from tuner.engines.vllm.settings.section import Fixed
from tuner.search.result import Result
from tuner.spec.errors import InputError, StartFailed
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.space import Choices, Range
from tuner.spec.study import Study
from tuner.spec.values import Load, Message, Slo
from tuner.testing.engine_contract import send
from tuner.workflow.tune.run import run

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(2400)]

MEBIBYTES = 2**20
BASELINE = {
    "max_model_len": 2048,
    "max_num_seqs": 4,
    "max_num_batched_tokens": 2048,
    "kv_cache_memory_bytes": 512 * MEBIBYTES,
    "enable_prefix_caching": True,
    "long_prefill_token_threshold": 0,
    "enforce_eager": True,
    "cpu_reserved_cores": 0,
    "num_predict": 16,
    "temperature": 0.0,
}


def study(**changes: object) -> Study:
    """Return a study of the small model: two warm knobs, one cold, and what requests carry."""
    asked = [
        Template(f"t{i}", (Message("user", f"Write a line about the sea, number {i}."),), None,
                 "line", held_out=i % 2 == 1)
        for i in range(60)
    ]  # fmt: skip
    given: dict[str, object] = {
        "name": "small",
        "engine": "vllm",
        "model": str(build.model()),
        "engine_settings": Fixed(python=str(python())),
        "workload": Workload(asked, {}, None, load=Load(concurrency=2, timeout_s=60), hash="w"),
        "slos": (Slo("ttft", 0.9, 5.0),),
        "baseline": BASELINE,
        "space": {
            "max_num_seqs": Choices((2, 4)),
            "enable_prefix_caching": Choices((True, False)),
            "long_prefill_token_threshold": Choices((0, 256)),
            "draft_tokens": Choices((2, 3)),
            "num_predict": Range(8, 16),
            "temperature": Range(0.0, 1.0),
        },
        "budget_s": 1800.0,
        "file": "small.yaml",
    }
    return Study(**given | changes)  # type: ignore[arg-type]


@dataclass
class Tuned:
    """A finished run, where it lies, and what was said on the way."""

    result: Result
    out: Path
    recorder: Recorder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuned]:
    """Tune once for all that looks at it."""
    out, recorder = tmp_path_factory.mktemp("vllm") / "out", Recorder()
    yield Tuned(asyncio.run(run(study(), out, recorder)), out, recorder)


def test_every_tier_was_tuned_and_was_in_force(tuned: Tuned) -> None:
    """Cold, warm and request settings changed; what was read back is what was asked for."""
    measured = [t.candidate for t in tuned.result.trials if t.samples]

    for knob in ("max_num_seqs", "enable_prefix_caching", "num_predict"):
        assert len({c[knob] for c in measured}) > 1, knob
    best = tuned.result.best
    assert best is not None and best.effective is not None
    for knob in ("enable_prefix_caching", "max_model_len", "kv_cache_memory_bytes"):
        assert best.effective.settings[knob] == best.candidate[knob]


def test_starts_are_few_and_told(tuned: Tuned) -> None:
    """Each hash is cold once, and warm starts of it follow; servers take several trials."""
    starts = tuned.result.starts
    cold = [start.compiled for start in starts if start.kind == "cold"]
    trials = [t for t in tuned.result.trials if t.samples]

    assert {start.kind for start in starts} == {"cold", "warm"}
    assert len(cold) == len({start.compiled for start in starts})
    assert len(trials) > len(starts) / 2


def test_what_changes_nothing_was_dropped(tuned: Tuned) -> None:
    """Where nobody drafts, the number of drafted tokens comes to the same."""
    assert "draft_tokens" in tuned.result.inert


def test_nothing_of_it_is_left(tuned: Tuned) -> None:
    """Neither the server with its workers nor the resolver outlives the run."""
    running = (p.info["cmdline"] or () for p in psutil.process_iter(["cmdline"]))
    ours = ("vllm.entrypoints", "VLLM::", "resolver_helper")

    assert not [words for words in running if any(name in " ".join(words) for name in ours)]


def test_its_file_starts_vllm_with_what_the_result_says(tuned: Tuned, tmp_path: Path) -> None:
    """vllm.yaml, unchanged, gives a server that runs with the settings of the best."""
    file = tuned.result.artifacts["vllm.yaml"]
    port = free_port()
    asked = Launch(
        what="vLLM",
        command=(str(python()), "-m", "vllm.entrypoints.openai.api_server", "--config", str(file),
                 "--port", str(port)),
        log=tmp_path / "served.log",
        deadline_s=600,
        env={"HF_HUB_OFFLINE": "1"},
        port=port,
    )  # fmt: skip

    async def served() -> dict[str, object]:
        process, at = await launch(asked)
        try:
            log = process.log.read_text()
            return dict(await readback.settings(f"http://127.0.0.1:{at}", log))
        finally:
            await process.stop()

    found, best = asyncio.run(served()), tuned.result.best
    assert best is not None
    for knob in ("enable_prefix_caching", "max_model_len", "kv_cache_memory_bytes"):
        assert found[knob] == best.candidate[knob]


def engine(logs: Path, **settings: object) -> Vllm:
    """Return the engine of a study."""
    made = create(study(**settings), logs)
    assert isinstance(made, Vllm)
    return made


def test_a_start_without_memory_costs_one_observation(tmp_path: Path) -> None:
    """A limit on the memory of the server's processes fails the start; the next one comes up."""
    starved = tmp_path / "starved"
    starved.touch()
    limited = script(
        tmp_path / "bin",
        f'[ -e "{starved}" ] && case "$*" in *api_server*) ulimit -v 6000000;; esac\n'
        f'exec "{python()}" "$@"',
    )

    async def work(vllm: Vllm) -> None:
        with pytest.raises(StartFailed) as failed:
            await vllm.apply(default(vllm, **BASELINE))
        assert failed.value.reason == "out_of_memory", str(failed.value)
        starved.unlink()
        found = await vllm.apply(default(vllm, **BASELINE))
        assert found.changed == "restart"
        assert not found.mismatches

    use(engine(tmp_path, engine_settings=Fixed(python=limited)), work)


def test_a_cache_of_no_size_is_refused_where_memory_is_taken(tmp_path: Path) -> None:
    """VLLM's rule for CPUs is known before a start: a share of all memory has to be free."""

    async def work(vllm: Vllm) -> None:
        full = default(vllm, **BASELINE | {"kv_cache_memory_bytes": "auto"})
        with pytest.raises(StartFailed, match="set kv_cache_memory_bytes"):
            await vllm.apply({**full, "gpu_memory_utilization": 0.999})

    use(engine(tmp_path), work)


def test_a_bad_setting_costs_no_start(tmp_path: Path) -> None:
    """The resolver refuses in vLLM's own words; nothing was started."""

    async def work(vllm: Vllm) -> None:
        with pytest.raises(StartFailed, match="must be greater than or equal to max_num_seqs"):
            await vllm.apply(default(vllm, **BASELINE | {"max_num_batched_tokens": 2}))
        assert not list((tmp_path).glob("engine-*.log"))

    use(engine(tmp_path), work)


def test_an_unknown_flag_is_refused_with_the_right_one(tmp_path: Path) -> None:
    """A flag that was taken out is named, with what to write, before anything starts."""
    flags = replace(study().engine_settings, flags={"max-num-partial-prefills": 2})

    with pytest.raises(InputError, match="max-num-partial-prefills"):
        engine(tmp_path, engine_settings=flags)


def test_a_server_killed_mid_trial_is_started_again(tmp_path: Path) -> None:
    """Its requests fail, the next candidate is served, and no worker is left behind."""

    async def work(vllm: Vllm) -> None:
        found = await vllm.apply(default(vllm, **BASELINE))
        assert found.pid is not None
        family = psutil.Process(found.pid).children(recursive=True)
        for child in family:
            child.kill()
        (sample,) = await send(vllm, default(vllm, **BASELINE), "Hello")
        assert sample.outcome != "ok"
        again = await vllm.apply(default(vllm, **BASELINE))
        assert again.changed == "restart"
        assert not [child for child in family if child.is_running()]
        (sample,) = await send(vllm, default(vllm, **BASELINE), "Hello")
        assert sample.outcome == "ok", json.dumps(sample.error)

    use(engine(tmp_path), work)
