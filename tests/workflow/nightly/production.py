"""A name in service whose nights are the test's: a folder, its server, and real `tune` processes.

The server that serves and the one beside it are fakes: each has half as long to go with twice the
threads. What they do besides stands in files, which a test may change from one night to another.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.engines.files.server import ENDED, STARTED, Production, production
from tuner.engines.files.reload import wait
from tuner.spec.study import load

NAME = "api"
MODELFILE = "Modelfile"
HELD_OUT = 60

_COMMAND = """\
text = pathlib.Path("current/Modelfile").read_text()
threads = re.search(r"^PARAMETER num_thread (\\d+)$", text, re.M)[1]
told = json.loads(pathlib.Path(options[0]).read_text())
words = [*told.get("all", []), *told.get(threads, [])]
if "fail" in words:
    sys.exit(f"cannot start with {threads} threads")
settings = {"model": f"{threads} threads", "port": port, "n_threads": int(threads)}
command = [sys.executable, "-m", "tuner.testing.fake_server", json.dumps(settings), *words]
"""
RELOAD = ENDED + _COMMAND + STARTED
"""Start a server with the threads that `current` names."""


@dataclass(frozen=True, slots=True)
class Nights:
    """A study, what serves, and the nights that are worked on it in a folder."""

    folder: Path
    there: Production

    # what is given
    def study(self, threads: Sequence[int] = (2, 8), **changes: Any) -> None:
        """Write the study: which threads may be tried, and what is unlike the usual."""
        document = {
            "version": 1,
            "name": "small",
            "engine": {"kind": "fake", "model": f"@{self.folder / 'engine.txt'}"},
            "workload": {"prompts": "prompts.jsonl"},
            "slo": [{"metric": "e2e", "quantile": 0.9, "max_ms": 50}],
            "objective": {"minimize": "e2e_p99"},
            "guard": {"max_drop": 0.3},
            "baseline": {"num_thread": 2},
            "space": {"num_thread": list(threads)},
            "search": {"budget": "60s"},
        }
        text = json.dumps({**document, **changes})[:-1]  # JSON is YAML
        section = self.there.section().strip()
        (self.folder / "tune.yaml").write_text(
            f'{text}, "deploy"{section.removeprefix("deploy")}}}'
        )

    def prompts(self, held_out: int = HELD_OUT) -> None:
        """Write so many held-out prompts, and some to search with."""
        told = [("Tell me of thing", True)] * held_out + [("And of number", False)] * 30
        lines = [
            {"template": f"{text} {n}", "held_out": kept, "expect": {"contains": "glad"}}
            for n, (text, kept) in enumerate(told)
        ]
        (self.folder / "prompts.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))

    def engine(self, *words: str) -> None:
        """Say how the server beside production behaves from now on."""
        (self.folder / "engine.txt").write_text("\n".join([*PACE, *words]))

    def production(self, **words: Sequence[str]) -> None:
        """Say how the server in service behaves from its next start, `t8` with eight threads."""
        told = {name.removeprefix("t"): list(given) for name, given in words.items()}
        (self.folder / "production.json").write_text(json.dumps({"all": list(PACE), **told}))

    def applied(self, threads: int, name: str = "r", model: str = "0" * 64) -> None:
        """Put a version into service as a person does, measured with a model of a digest."""
        run = self.folder / name
        run.mkdir()
        study = load(self.folder / "tune.yaml")
        candidate = {"num_thread": threads}
        document = {
            "schema": "tuner.result/1",
            "verdict": "PASS",
            "target": [{"metric": "e2e", "quantile": 0.9, "max_ms": 50}],
            "best": {"candidate": candidate},
            "artifacts": {MODELFILE: str(run / MODELFILE)},
            "environment": {"engine": "fake", "model_digest": f"sha256:{model}"},
            "workload_hash": study.workload.hash,
        }
        (run / "result.json").write_text(json.dumps(document))
        lines = [f"PARAMETER {knob} {value}" for knob, value in candidate.items()]
        (run / MODELFILE).write_text("\n".join(["FROM model.gguf", *lines, ""]))
        done = self.tune("apply", name, "--name", NAME, "--yes", "--requests", "0")
        assert done.returncode == 0, done.stderr

    # what is done
    def tune(
        self, *words: str, seconds: float = 110, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a `tune` to its end."""
        return subprocess.run(
            _command(*words), cwd=self.folder, env=self._env(env), capture_output=True, text=True,
            timeout=seconds, preexec_fn=_on_two_cpus,
        )  # fmt: skip

    def night(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a night to its end, with its document on standard output."""
        return self.tune("retune", "--name", NAME, "--json", *words, **env)

    @contextlib.contextmanager
    def begun(self, *words: str) -> Iterator[Going]:
        """Start a night; end it in any case."""
        said = self.folder / "said.txt"
        with said.open("w") as err:
            running = subprocess.Popen(
                _command("retune", "--name", NAME, "--json", *words), cwd=self.folder,
                env=self._env({}), stdout=subprocess.PIPE, stderr=err, text=True,
                preexec_fn=_on_two_cpus,
            )  # fmt: skip
        with running:
            try:
                yield Going(running, said)
            finally:
                running.kill()

    def _env(self, more: Mapping[str, str]) -> dict[str, str]:
        state = {"XDG_STATE_HOME": str(self.folder / "state"), "COLUMNS": "300"}
        return {**os.environ, "NO_COLOR": "1", **state, **more}

    @contextlib.contextmanager
    def put_back(self, saved: Path) -> Iterator[None]:
        """Put all files back as they were saved, and have serve what served, after the block."""
        try:
            yield
        finally:
            started = [*self.there.pids]
            shutil.rmtree(self.folder)
            shutil.copytree(saved, self.folder, symlinks=True)
            self.there.remember(started)
            if self.serves() != "2 threads":
                deploy = self.there.deploy
                subprocess.run(deploy.reload, cwd=deploy.folder, check=True, capture_output=True)
                wait(deploy, None, time.monotonic() + deploy.within_s, self.folder / "reload.log")

    def save(self, folder: Path) -> Path:
        """Keep all files as they are now below a folder; return where."""
        return Path(shutil.copytree(self.folder, folder / "files", symlinks=True))

    # what came of it
    def serves(self) -> str | None:
        """Return what answers on the port, None where nothing does."""
        return self.there.serves()

    def ledger(self, what: str) -> list[dict[str, Any]]:
        """Return the lines of a kind in the ledger of nights."""
        return [line for line in self.lines() if line["what"] == what]

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines of the ledger."""
        return _lines(self.ledger_file)

    @property
    def ledger_file(self) -> Path:
        """Return the file of the ledger."""
        return next((self.folder / "state" / "modelfile-tuner" / "nights").glob("*/ledger.jsonl"))

    @property
    def journal_file(self) -> Path:
        """Return the file of the journal."""
        return next((self.folder / "state" / "modelfile-tuner").glob("*.jsonl"))

    def journal(self) -> list[list[str]]:
        """Return the steps of each promotion, or way back, that the journal tells of."""
        found: list[list[str]] = []
        for line in _lines(self.journal_file):
            if line["step"] in ("staged", "returning"):
                found.append([])
            found[-1].append(line["step"])
        return found

    def requests(self) -> int:
        """Return how many requests of comparisons are kept for further nights."""
        kept = self.ledger_file.parent.glob("duels/*/trials/*/samples.jsonl")
        return sum(len(file.read_text().splitlines()) for file in kept)


PACE = ("--ttft-ms", "30", "--itl-ms", "1.5", "--answer", "prose")
"""With two threads an answer takes about 60 ms, which is late; with eight about 15 ms."""


@dataclass(frozen=True, slots=True)
class Going:
    """A night that goes on, and what it says."""

    process: subprocess.Popen[str]
    said: Path

    def until(self, true: Callable[[str], Any], seconds: float = 100) -> None:
        """Wait until something is true, which may look at what was said so far."""
        deadline = time.monotonic() + seconds
        while not true(self.said.read_text()):
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.02)

    def end(self, number: int) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it as the kernel does, with the engines that it started, as at a reboot."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


@contextlib.contextmanager
def nights(folder: Path) -> Iterator[Nights]:
    """Give a name in service that nothing has yet; end every server in the end."""
    with production(folder, str(folder / "production.json"), reload=RELOAD) as there:
        given = Nights(folder, there)
        given.prompts()
        given.engine()
        given.production()
        given.study()
        yield given


def document(night: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what a night that ended told as JSON."""
    assert night.stdout, night.stderr
    found: dict[str, Any] = json.loads(night.stdout)
    return found


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tuner", *words]


def _on_two_cpus() -> None:
    """Leave two CPUs, so that the default number of threads is known."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
