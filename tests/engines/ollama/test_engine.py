"""The managed Ollama: against real ones of both generations, and against a pretended one."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import ollama
import pytest

from tests import gguf_files
from tests.ollama import faked
from tests.ollama.build import VERSIONS
from tests.ollama.faked import script
from tests.ollama.installed import MODEL, QUICKER, complete, models, serving
from tests.ollama.stored import stored
from tuner.engines.base import Engine
from tuner.engines.ollama import api as ollama_api
from tuner.engines.ollama import model_folder as ollama_store
from tuner.engines.ollama import readback as ollama_readback
from tuner.engines.ollama.engine import Ollama, create, preview, version_of
from tuner.engines.ollama.knobs import knobs
from tuner.machine.gpus import has_gpu
from tuner.spec.errors import EngineDied, EngineError, EngineMissing, InputError, StartFailed
from tuner.spec.requests.workload import Workload
from tuner.spec.space import Choices
from tuner.spec.study import Study
from tuner.spec.values import Message, Model
from tuner.testing.engine_contract import EngineContract, send

TRAINED = gguf_files.LLAMA["llama.context_length"]
HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
ASKED_FOR = HUGE.exists() and "[madvise]" in HUGE.read_text()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for programs and models that all tests of a session share."""
    return tmp_path_factory.mktemp("ollama")


class ManagedOllama(EngineContract):
    """What is true of a server of ours beyond the contract; `model` is what it serves."""

    model: ClassVar[str]
    others: ClassVar[tuple[str, ...]] = ()

    def test_a_created_model_is_served_and_removed(self, tmp_path: Path) -> None:
        """Its requests carry no options, its settings are in force, and it does not stay."""

        async def work(engine: Engine) -> None:
            assert isinstance(engine, Ollama)
            candidate = self.default(engine, num_ctx=1024, num_predict=3)
            await engine.apply(candidate)
            body = {"from": self.model, "parameters": {"num_ctx": 1024, "num_predict": 3}}
            found = await engine.create(candidate, body)
            request = engine.request((), candidate, None)
            shorter = engine.request((), candidate, None, 2)
            sample = (await send(engine, candidate, "delete task 4"))[0]
            async with ollama.AsyncClient(found.address) as server:
                during = [m.model for m in (await server.list()).models]
                await engine.apply(candidate)
                after = [str(m.model) for m in (await server.list()).models]

            assert b'"options": {}' in request.body
            assert b'"options": {"num_predict": 2}' in shorter.body
            assert not found.mismatches
            assert (sample.output_tokens, sample.finish) == (3, "length")
            assert len(during) == len(after) + 1
            assert sorted(after) == sorted([self.model, *self.others])

        self.use(self.engine(tmp_path), work)

    @pytest.mark.skipif(shutil.which("chrt") is None, reason="chrt is a program of Linux")
    def test_the_runner_is_scheduled_as_asked(self, tmp_path: Path) -> None:
        """Linux's policy is in force where the model is, and takes a start of the server."""

        async def work(engine: Engine) -> None:
            usual = await engine.apply(self.default(engine))
            found = await engine.apply(self.default(engine, cpu_scheduling="batch"))

            assert usual.settings["cpu_scheduling"] == "other"
            assert (found.settings["cpu_scheduling"], found.changed) == ("batch", "restart")
            assert not found.mismatches

        self.use(self.engine(tmp_path), work)

    def test_what_a_killed_process_left_behind_is_removed(self, tmp_path: Path) -> None:
        """A temporary model whose process is gone goes at the next start, and no other one."""

        async def work(engine: Engine) -> None:
            name = f"{ollama_api.TEMPORARY}:{2**30}"
            found = await engine.apply(self.default(engine))
            await ollama_api.create(found.address, name, {"from": self.model})
            await ollama_api.create(found.address, "mine", {"from": self.model})
            await ollama_api.remove_left_behind(found.address)
            async with ollama.AsyncClient(found.address) as server:
                names = [m.model for m in (await server.list()).models]
                await server.delete("mine")

            assert sorted(map(str, names)) == sorted(["mine:latest", self.model, *self.others])

        self.use(self.engine(tmp_path), work)


class OnOllama(ManagedOllama):
    """One generation under the contract."""

    model = MODEL
    others = (QUICKER,)
    version: ClassVar[str]
    reload = ("num_ctx", 1024)
    dear = ("num_parallel", 2)

    @pytest.fixture(autouse=True)
    def _there(self, folder: Path) -> None:
        self.program, self.models = complete(self.version, folder), models(folder)

    def engine(self, logs: Path) -> Engine:
        return self.over(logs, str(self.program))

    def over(self, logs: Path, program: str) -> Ollama:
        """Return the engine over a program that starts a server."""
        model = ollama_store.model(MODEL, self.models)
        version = tuple(map(int, self.version.split(".")))
        return Ollama(model, self.models, logs, program, version, gpu=lambda: False)

    def ignoring(self, logs: Path, knob: str) -> Engine:
        if knob not in ("num_parallel",):
            pytest.skip("Ollama ignores no option that it has")
        return self.over(logs, script(logs, f"unset OLLAMA_NUM_PARALLEL\nexec {self.program} $@"))

    def failing(self, logs: Path) -> Engine:
        return self.over(logs, script(logs, "echo no such thing; exit 3"))

    def test_a_running_server_is_left_alone(self, tmp_path: Path) -> None:
        """A server in production goes on, keeps its model loaded, and gets no request."""
        with serving(self.program, self.models) as host:
            engine = self.engine(tmp_path)

            async def work(engine: Engine) -> None:
                found = await engine.apply(self.default(engine))
                assert found.address != f"http://{host}"
                assert (await send(engine, self.default(engine, num_predict=4), "hi"))[0].answer

            self.use(engine, work)

            with ollama.Client(host) as server:
                assert sorted(str(m.model) for m in server.list().models) == [MODEL, *self.others]
                assert server.ps().models == []

    @pytest.mark.skipif(not ASKED_FOR, reason="Linux does not give huge pages to who asks for them")
    def test_weights_lie_in_huge_pages_where_asked_for(self, tmp_path: Path) -> None:
        """The runner's memory tells; where nobody asks there are none."""

        async def work(engine: Engine) -> None:
            usual = await engine.apply(self.default(engine))
            found = await engine.apply(self.default(engine, huge_pages="on"))

            assert (usual.settings["huge_pages"], usual.mismatches) == ("off", ())
            assert (found.settings["huge_pages"], found.changed) == ("on", "restart")
            assert not found.mismatches

        self.use(self.engine(tmp_path), work)

    def test_another_quantisation_is_loaded_in_its_place(self, tmp_path: Path) -> None:
        """A tag is a setting like others: its weights are what the runner has, at a reload."""

        async def work(engine: Engine) -> None:
            assert (await engine.apply(self.default(engine))).settings["model"] == MODEL
            found = await engine.apply(self.default(engine, model=QUICKER))

            assert (found.settings["model"], found.changed) == (QUICKER, "reload")
            assert not found.mismatches

        self.use(self.engine(tmp_path), work)

    def test_models_that_are_linked_are_served_and_built_on(self, tmp_path: Path) -> None:
        """So a folder that belongs to the service's user is served from: it stays as it is."""
        theirs = self.models
        before = sorted(theirs.rglob("*"))
        self.models = ollama_store.linked(theirs, tmp_path / "ours")

        async def work(engine: Engine) -> None:
            assert isinstance(engine, Ollama)
            candidate = self.default(engine, num_ctx=1024)
            await engine.apply(candidate)
            settings = {"num_ctx": 1024, "num_predict": 3}
            found = await engine.create(candidate, {"from": MODEL, "parameters": settings})
            sample = (await send(engine, candidate, "hi"))[0]

            assert not found.mismatches
            assert sample.output_tokens in (1, 2, 3)

        self.use(self.engine(tmp_path), work)
        assert sorted(theirs.rglob("*")) == before

    def test_a_model_too_large_for_the_memory_is_a_typed_failure(self, tmp_path: Path) -> None:
        """What cannot fit is refused before anything is started."""

        async def work(engine: Engine) -> None:
            with pytest.raises(StartFailed) as failed:
                await engine.apply(self.default(engine, num_ctx=2**31))
            assert failed.value.reason == "out_of_memory"

        self.use(self.engine(tmp_path), work)


class TestFake(ManagedOllama):
    """The pretended one, which needs neither Go nor a model."""

    model = faked.MODEL
    reload = ("num_ctx", 1024)
    dear = ("num_parallel", 2)

    def engine(self, logs: Path) -> Engine:
        return _fake(logs)

    def ignoring(self, logs: Path, knob: str) -> Engine:
        if knob != "num_parallel":
            pytest.skip("this generation tells no sampling, so that it is unverified")
        return _fake(logs, "--one-slot")

    def failing(self, logs: Path) -> Engine:
        return _fake(logs, "--no-memory")

    def test_a_request_knob_costs_nothing_and_is_in_force(self, tmp_path: Path) -> None:
        pytest.skip("this generation tells no sampling, so that it is unverified")

    def test_a_context_beyond_the_trained_one_is_not_in_force(self, tmp_path: Path) -> None:
        """Ollama serves with the context that the model was trained with, and says nothing."""

        async def work(engine: Engine) -> None:
            found = await engine.apply(self.default(engine, num_ctx=16384))

            assert found.mismatches == ("num_ctx: asked for 16384, in force is 8192 (tier reload)",)

        self.use(self.engine(tmp_path), work)


def _fake(folder: Path, *options: str) -> Ollama:
    model = Model(faked.MODEL, faked.MODEL)
    return Ollama(model, folder, folder, faked.program(folder, *options))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this is not Linux")
def test_linux_tells_how_a_process_runs_and_nothing_of_one_that_ended() -> None:
    """Ours is scheduled as usual; of what is gone nothing is read back."""
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert ollama_readback.from_system(os.getpid())["cpu_scheduling"] == "other"
    assert ollama_readback.from_system(ended.pid) == {}


@pytest.mark.parametrize(
    ("option", "error", "said"),
    [
        ("--busy", StartFailed, "others are loading models now, try again"),
        ("--no-memory", StartFailed, r"needs? more|more system memory.*\(out_of_memory\)"),
        ("--runner-dies", EngineDied, "runner has unexpectedly stopped: signal: killed"),
    ],
)
def test_a_server_that_cannot_serve_says_why(
    tmp_path: Path, option: str, error: type[EngineError], said: str
) -> None:
    """Busy, out of memory, a killed runner: each a typed failure with Ollama's own words."""
    contract = TestFake()

    async def work(engine: Engine) -> None:
        with pytest.raises(error, match=said):
            await engine.apply(contract.default(engine))

    contract.use(_fake(tmp_path, option), work)


@pytest.mark.parametrize(
    ("device", "num_gpu", "starts"),
    [("nvidia0", -1, True), ("kfd", 99, True), ("nvidia0", 0, False), ("nvidiactl", -1, False)],
)
def test_more_than_the_free_memory_is_ollama_s_to_judge_where_a_gpu_may_hold_it(
    tmp_path: Path, device: str, num_gpu: int, starts: bool
) -> None:
    """Without a GPU, or without layers on it, what cannot fit is not started."""
    contract, devices = TestFake(), tmp_path / "dev"
    devices.mkdir()
    (devices / device).touch()
    large = Model(faked.MODEL, faked.MODEL, weights_bytes=2**60)
    program = faked.program(tmp_path)
    engine = Ollama(large, tmp_path, tmp_path, program, gpu=lambda: has_gpu(devices))

    async def work(engine: Engine) -> None:
        refused = pytest.raises(StartFailed, match="not started: weights and KV cache need")
        with contextlib.nullcontext() if starts else refused:
            await engine.apply(contract.default(engine, num_gpu=num_gpu))

    contract.use(engine, work)


def test_a_model_that_is_gone_is_bad_input(tmp_path: Path) -> None:
    """The command that fetches it is in the message."""
    contract = TestFake()
    engine = Ollama(Model("gone", "gone"), tmp_path, tmp_path, faked.program(tmp_path))

    async def work(engine: Engine) -> None:
        with pytest.raises(InputError, match="`ollama pull gone` fetches one"):
            await engine.apply(contract.default(engine))

    contract.use(engine, work)


def test_no_space_for_a_created_model_is_told(tmp_path: Path) -> None:
    """Creating copies nothing but settings, yet a full disk can refuse even these."""
    contract = TestFake()

    async def work(engine: Engine) -> None:
        assert isinstance(engine, Ollama)
        candidate = contract.default(engine)
        await engine.apply(candidate)
        with pytest.raises(EngineError, match="no space left on device"):
            await engine.create(candidate, {"from": faked.MODEL})

    contract.use(_fake(tmp_path, "--no-space"), work)


@pytest.mark.parametrize(
    ("option", "outcome", "answer"),
    [("--no-final", "incomplete", True), ("--only-thinks", "ok", False)],
)
def test_answers_that_are_none_are_kept_as_they_are(
    tmp_path: Path, option: str, outcome: str, answer: bool
) -> None:
    """A stream without its end is incomplete; thoughts alone are an empty answer."""
    contract = TestFake()

    async def work(engine: Engine) -> None:
        candidate = contract.default(engine)
        await engine.apply(candidate)
        sample = (await send(engine, candidate, "delete task 4"))[0]

        assert (sample.outcome, bool(sample.answer)) == (outcome, answer)

    contract.use(_fake(tmp_path, option), work)


@pytest.mark.ollama
@pytest.mark.embedded
class TestOwnRunner(OnOllama):
    """0.11.4: Ollama's own runner, which tells no sampling."""

    version = "0.11.4"

    def test_a_request_knob_costs_nothing_and_is_in_force(self, tmp_path: Path) -> None:
        """What is sent with a request cannot be read back here, and is said to be unverified."""

        async def work(engine: Engine) -> None:
            await engine.apply(self.default(engine))
            after = await engine.apply(self.default(engine, temperature=0.25))

            assert (after.changed, "temperature" in after.unverified) == ("nothing", True)

        self.use(self.engine(tmp_path), work)

    @pytest.mark.parametrize(
        ("words", "earlier", "said"),
        [
            (4, 2, None),
            (400, 0, "1 prompts were cut to fit num_ctx: raise it"),
            (40, 9, "1 prompts lost earlier messages to fit num_ctx: raise it"),
        ],
    )
    def test_what_was_shortened_to_fit_is_noticed(
        self, tmp_path: Path, words: int, earlier: int, said: str | None
    ) -> None:
        """Answers come as if nothing were missing; only the log of this generation tells."""

        async def work(engine: Engine) -> None:
            candidate = self.default(engine, num_ctx=256, num_predict=2)
            await engine.apply(candidate)
            turns: list[Message] = [
                Message("user", "one " * words),
                Message("assistant", "two " * words),
            ] * earlier
            messages = (*turns, Message("user", "three " * words))
            sample = (await send(engine, candidate, messages))[0]

            assert isinstance(engine, Ollama)
            assert sample.outcome == "ok"
            assert engine.noticed() == said

        self.use(self.engine(tmp_path), work)

    def test_a_cache_type_without_flash_attention_is_not_in_force(self, tmp_path: Path) -> None:
        """On a processor this generation has no flash attention, and keeps the cache in f16."""

        async def work(engine: Engine) -> None:
            found = await engine.apply(self.default(engine, kv_cache_type="q8_0"))

            assert any(
                text.startswith("kv_cache_type: asked for q8_0") for text in found.mismatches
            )

        self.use(self.engine(tmp_path), work)


@pytest.mark.ollama
@pytest.mark.embedded
class TestLlamaServer(OnOllama):
    """0.33.3: a front over llama.cpp's server, whose slots tell the sampling."""

    version = "0.33.3"

    @pytest.mark.parametrize("size", [0, 64])
    def test_the_runner_tells_of_its_prompt_cache(self, tmp_path: Path, size: int) -> None:
        """A variable of llama.cpp's that Ollama only passes on is read back from the log."""

        async def work(engine: Engine) -> None:
            found = await engine.apply(self.default(engine, llama_arg_cache_ram=size))

            assert not found.mismatches
            assert found.settings["llama_arg_cache_ram"] == size
            assert "llama_arg_cache_reuse" in found.unverified

        self.use(self.engine(tmp_path), work)

    def test_a_cache_type_is_in_force(self, tmp_path: Path) -> None:
        """A quantized cache needs flash attention, which this generation has everywhere."""

        async def work(engine: Engine) -> None:
            changed = self.default(engine, kv_cache_type="q8_0", flash_attention="on")
            found = await engine.apply(changed)

            assert not found.mismatches
            assert found.settings["kv_cache_type"] == "q8_0"

        self.use(self.engine(tmp_path), work)


def test_a_version_is_read_without_a_server(tmp_path: Path) -> None:
    """The client's own version counts, whatever a server that runs beside it says."""
    told = "echo 'ollama version is 0.33.3'; echo 'Warning: client version is 0.11.4'"

    assert version_of(script(tmp_path, told)) == (0, 11, 4)


def test_no_server_is_asked_for_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that accepts and never answers, as a hung server does, keeps nobody waiting."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{hung.getsockname()[1]}")
        asking = "import os, urllib.request as r; r.urlopen('http://' + os.environ['OLLAMA_HOST'])"
        told = f'{sys.executable} -c "{asking}" 2>/dev/null; echo Warning: client version is 0.12.6'

        assert version_of(script(tmp_path, told), deadline_s=10) == (0, 12, 6)


@pytest.mark.ollama
@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_one_tells_its_version_beside_a_hung_server(
    version: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both generations print the client's version alone where they find no server."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{hung.getsockname()[1]}")
        found = version_of(str(complete(version, folder)), deadline_s=10)

    assert found == tuple(map(int, version.split(".")))


def test_a_program_that_hangs_is_told(tmp_path: Path) -> None:
    """It is a typed error with the command that did not answer, and no traceback."""
    with pytest.raises(EngineMissing, match=r"ollama --version said nothing within 0\.2 s"):
        version_of(script(tmp_path, "exec sleep 20"), deadline_s=0.2)


@pytest.mark.parametrize(("version", "penalty"), [((0, 32, 9), 1.1), ((0, 33, 0), 1.0)])
def test_a_default_that_changed_is_that_of_the_version(
    version: tuple[int, ...], penalty: float
) -> None:
    """What nobody sets is what this version does (api/types.go of both)."""
    assert knobs(version, MODEL)["repeat_penalty"].default == penalty


def test_a_default_is_the_model_s_own_where_it_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pin of the model that serves today is not taken away by a knob that nobody named."""
    own = {"num_gpu": 0, "use_mmap": False, "stop": ["a"], "num_keep": 3, "num_predict": -2}
    stored(tmp_path / "models", "prod", "latest", {"params": json.dumps(own)})
    stored(tmp_path / "models", "prod", "long", {"params": '{"num_ctx": 1000000}'})
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    script(tmp_path, "echo 'ollama version is 0.33.3'")
    study = Study("s", "ollama", "prod", Workload(()))

    for look in (preview, lambda s: create(s, tmp_path)):
        found = look(study).knobs
        assert {n: found[n].default for n in ("num_gpu", "num_predict", "stop", "use_mmap")} == {
            "num_gpu": 0, "num_predict": -1, "stop": "", "use_mmap": "auto",
        }  # fmt: skip
        assert "num_keep" not in found
        of_baseline = look(replace(study, baseline={"model": "prod:long"})).knobs
        assert of_baseline["num_gpu"].default == -1
        assert of_baseline["num_ctx"].default == TRAINED


def test_shots_are_refused_over_a_model_with_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be sent on top of the model's own while searching, and in their place after."""
    turns = json.dumps([{"role": "user", "content": "Hi"}])
    stored(tmp_path / "models", "prod", "latest", {"messages": turns})
    stored(tmp_path / "models", "plain", "latest")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    script(tmp_path, "echo 'ollama version is 0.33.3'")
    shots = {"shots": Choices((0, 1))}

    for look in (preview, lambda s: create(s, tmp_path)):
        with pytest.raises(InputError, match="prod has MESSAGE lines"):
            look(Study("s", "ollama", "prod", Workload(()), space=shots))
        look(Study("s", "ollama", "prod", Workload(()), baseline={"shots": 0}))
        look(Study("s", "ollama", "plain", Workload(()), space=shots))


def test_a_server_that_is_too_old_is_refused(tmp_path: Path) -> None:
    """The oldest version that can be tuned is in the message."""
    with pytest.raises(InputError, match=r"Ollama 0\.9\.6 is older than 0\.10"):
        version_of(script(tmp_path, "echo 'ollama version is 0.9.6'"))


OLD = "ollama runner --model /b/sha256-1 --ctx-size 8192 --batch-size 512 --threads 2 --no-mmap"
NEW = "llama-server --model /b/sha256-1 --port 9 --host 127.0.0.1 -c 8192 -np 2 -b 256 -ub 256"


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        (f"{OLD} --parallel 2", {"num_ctx": 4096, "num_parallel": 2, "flash_attention": "off"}),
        (f"{OLD} --parallel 1 --flash-attn", {"num_ctx": 8192, "flash_attention": "on"}),
        (f"{OLD} --flash-attn --kv-cache-type q8_0 --parallel 1", {"kv_cache_type": "q8_0"}),
        (NEW, {"num_ctx": 4096, "num_batch": 256, "use_mmap": True, "kv_cache_type": "f16"}),
        (
            f"{NEW} --load-mode none --flash-attn auto",
            {"use_mmap": False, "flash_attention": "auto"},
        ),
        (f"{NEW} -ngl 3 -t 4", {"num_gpu": 3, "num_thread": 4}),
    ],
)
def test_a_runner_tells_its_settings(line: str, settings: dict[str, object]) -> None:
    """The command lines of both generations are read; the context is that of one slot."""
    found = ollama_readback.Runner(1, "/b/sha256-1", tuple(line.split())).settings()

    assert settings.items() <= found.items()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300.0),
        ("5m0s", 300.0),
        ("1h30m", 5400.0),
        ("90", 90.0),
        ("0", 0.0),
        ("-1", math.inf),
        ("2562047h47m16.854775807s", math.inf),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    """What was asked for and what Ollama says of it compare as times; negative is for ever."""
    assert ollama_readback.seconds(text) == seconds
