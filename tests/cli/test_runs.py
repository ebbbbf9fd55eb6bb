"""A run's folder as a user meets it: damaged, linked, continued, or of another study."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_cli import tune
from tests.ollama import faked
from tuner.engines.ollama.models import OllamaModels

FAST = "--ttft-ms 1 --itl-ms 0.1 --prompt-us-per-token 1"
STUDY = f"""
version: 1
name: small
engine: {{kind: fake, model: "{FAST}"}}
workload: {{prompts: prompts.jsonl}}
slo: [{{metric: e2e, quantile: 0.9, max_ms: 2000}}]
guard: {{min_valid: 0.5}}
baseline: {{num_predict: 64}}
space: {{temperature: {{low: 0, high: 1}}, top_p: {{low: 0.1, high: 1}}}}
objective: {{minimize: e2e_p99}}
"""
RUN = ("tune.yaml", "--quiet", "--budget", "10s")


def study(folder: Path, text: str = STUDY) -> Path:
    """Write a small study and its prompts, and return their folder."""
    folder.mkdir(exist_ok=True, parents=True)
    lines = (json.dumps({"template": f"Say the number {n}."}) for n in range(60))
    (folder / "prompts.jsonl").write_text("\n".join(lines))
    (folder / "tune.yaml").write_text(text)
    return folder


def latest(folder: Path) -> Path:
    """Return the folder of the newest run of the small study."""
    return folder / "out" / "small" / "latest"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a study that was run once."""
    folder = study(tmp_path_factory.mktemp("runs") / "r")
    found = tune(*RUN, cwd=folder)
    assert found.returncode in (0, 3), found.stderr
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """Give a copy of that run's folder."""
    copy = tmp_path / "r"
    shutil.copytree(finished, copy, symlinks=True)
    return copy


def directory(file: Path) -> None:
    """Put a folder in a file's place."""
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda f: f.unlink(),
    "cut": lambda f: f.write_bytes(f.read_bytes()[: f.stat().st_size // 2]),
    "directory": directory,
}


@pytest.mark.parametrize(("file", "damage"), [("samples.jsonl", "cut"), ("trial.json", "missing")])
def test_a_damaged_trial_is_moved_away_and_the_run_goes_on(
    run: Path, file: str, damage: str
) -> None:
    """One sentence names the folder and the step; after it the run goes on without that trial."""
    trials = latest(run) / "trials"
    DAMAGES[damage](trials / "0001" / file)
    refused = tune(*RUN, "--resume", cwd=run)
    shutil.move(trials / "0001", run / "moved")
    kept = {f.name for f in trials.iterdir()}
    again = tune(*RUN, "--resume", cwd=run)

    assert refused.returncode == 2, refused.stderr
    assert "trials/0001: not a trial as it was written" in refused.stderr
    assert "move it out of" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert again.returncode in (0, 3), again.stderr
    assert kept <= {f.name for f in trials.iterdir()}


def test_a_damaged_run_file_is_written_anew_from_the_trials(run: Path) -> None:
    """Which run the trials belong to is told by each of them."""
    file = latest(run) / "run.json"
    file.write_text("[")
    refused = tune(*RUN, "--resume", cwd=run)
    file.unlink()
    again = tune(*RUN, "--resume", cwd=run)
    file.unlink()
    other = tune(*RUN, "--resume", "--seed", "5", cwd=run)

    assert refused.returncode == 2, refused.stderr
    assert "run.json: not what a run writes down when it begins" in refused.stderr
    assert "move it away" in refused.stderr
    assert again.returncode in (0, 3), again.stderr
    assert other.returncode == 6, other.stderr
    assert "was measured by another run" in other.stderr


def test_an_older_run_is_refused_with_the_reason(run: Path) -> None:
    """It did not write down all that must agree, so that nothing is known of that."""
    file = latest(run) / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": "tuner.run/1"}))
    found = tune(*RUN, "--resume", cwd=run)

    assert found.returncode == 6, found.stderr
    assert "begun by another version of tune" in found.stderr
    assert "name another --out" in found.stderr


def test_what_is_in_the_way_of_a_result_is_named(run: Path) -> None:
    """A folder in the place of the search's database costs a sentence, and nothing measured."""
    database = latest(run) / "study.db"
    directory(database)
    refused = tune(*RUN, "--resume", cwd=run)
    database.rmdir()
    again = tune(*RUN, "--resume", cwd=run)

    assert refused.returncode == 1, refused.stderr
    assert "study.db: Is a directory" in refused.stderr
    assert "--resume" in refused.stderr
    assert again.returncode in (0, 3), again.stderr


def test_out_may_be_a_link_and_odd_names_are_names(run: Path, tmp_path: Path) -> None:
    """--resume finds the newest run through a link; blanks, ? and umlauts do no harm."""
    shutil.move(run / "out", tmp_path / "elsewhere")
    (run / "out").symlink_to(tmp_path / "elsewhere")
    linked = tune(*RUN, "--resume", cwd=run)
    odd = "o ut? für 100%20#1"
    shutil.copytree(latest(run), run / odd)
    named = tune(*RUN, "--resume", "--out", odd, cwd=run)
    absolute = tune(*RUN, "--resume", "--out", str(run / odd), cwd=tmp_path / "r")

    assert linked.returncode in (0, 3), linked.stderr
    assert named.returncode in (0, 3), named.stderr
    assert absolute.returncode in (0, 3), absolute.stderr
    assert (run / odd / "study.db").stat().st_size > 0


def test_latest_is_the_newest_run_that_measured_something(run: Path) -> None:
    """A start that fails moves nothing, and a folder that was removed leaves no link to nowhere."""
    link = latest(run)
    first = link.readlink()
    failed = tune(*RUN, "--model", "--nonsense", cwd=run)
    after = link.readlink()
    again = tune("tune.yaml", "--quiet", "--budget", "6s", cwd=run)
    second = link.readlink()
    shutil.rmtree(link.parent / second)
    resumed = tune(*RUN, "--resume", cwd=run)

    assert failed.returncode == 5, failed.stderr
    assert after == first
    assert again.returncode in (0, 3), again.stderr
    assert second > first
    assert resumed.returncode in (0, 3), resumed.stderr


def test_a_first_start_that_fails_leaves_no_link(tmp_path: Path) -> None:
    """`latest` never points at nothing, and --resume says that there is nothing."""
    folder = study(tmp_path / "r")
    failed = tune(*RUN, "--model", "--nonsense", cwd=folder)
    resumed = tune(*RUN, "--resume", cwd=folder)

    assert failed.returncode == 5, failed.stderr
    assert not latest(folder).is_symlink()
    assert resumed.returncode == 2, resumed.stderr
    assert "holds no run that could be continued" in resumed.stderr


def test_a_larger_budget_says_what_it_was_spent_on(run: Path) -> None:
    """The search goes on, or the proof, and terminal and result say so."""
    before = json.loads((latest(run) / "result.json").read_text())
    found = tune("tune.yaml", "--resume", "--budget", "40s", cwd=run)
    after = json.loads((latest(run) / "result.json").read_text())

    assert found.returncode in (0, 3), found.stderr
    assert len(after["trials"]) > len(before["trials"])
    assert after["continued"]
    assert "The larger budget brought: " in found.stdout


# what makes runs unlike
SERVED = f"""
version: 1
name: small
engine:
  kind: command
  command: [{sys.executable}, -m, tuner.testing.fake_server, '{{"port": {{{{ port }}}}}}']
  env: {{PLAIN: one, HF_TOKEN: first}}
workload:
  prompts: prompts.jsonl
  prompt:
    shots: shots.jsonl
    dynamic: {{rules: [{{match: seven, shots: [a]}}]}}
slo: [{{metric: e2e, max_ms: 2000}}]
"""
CHANGES = {
    "declared.engine.settings.env.PLAIN": ("PLAIN: one", "PLAIN: two"),
    "declared.engine.settings.command": ("fake_server,", 'fake_server, --itl-ms, "2",'),
    "declared.engine.settings.start_timeout_s": ("command\n", "command\n  start_timeout: 7s\n"),
    "declared.load.timeout_s": ("jsonl\n", "jsonl\n  load: {timeout: 9s}\n"),
    "workload_hash": ("match: seven", "match: eight"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a study with a server of its own that was measured once."""
    folder = study(tmp_path_factory.mktemp("served") / "r", SERVED)
    shot = {"id": "a", "user": "Say 7.", "assistant": "7"}
    (folder / "shots.jsonl").write_text(json.dumps(shot))
    assert measured(folder, "one").returncode == 0
    return folder


def measured(folder: Path, out: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Measure a few requests of the study in a folder."""
    given = ("--requests", "3", "--quiet", "--out", out, *words)
    found = tune("measure", "tune.yaml", *given, cwd=folder)
    return subprocess.CompletedProcess([], found.returncode % 3, found.stdout, found.stderr)


@pytest.mark.parametrize("fact", CHANGES)
def test_measurements_of_another_engine_or_workload_are_not_compared(
    served: Path, tmp_path: Path, fact: str
) -> None:
    """What the study declares about its engine, its load and its prompts must agree."""
    old, new = CHANGES[fact]
    folder = tmp_path / "r"
    shutil.copytree(served, folder)
    study(folder, SERVED.replace(old, new, 1))
    two = measured(folder, "two")
    found = tune("compare", "one", "two", cwd=folder)

    assert two.returncode == 0, two.stderr
    assert found.returncode == 6, found.stderr
    assert [line.split(":")[0] for line in found.stderr.splitlines() if "  - " in line] == [
        f"  - {fact}"
    ]


def test_a_new_key_is_no_other_engine_and_stands_nowhere(served: Path, tmp_path: Path) -> None:
    """A secret changes nothing of what is measured, and no file holds it."""
    folder = tmp_path / "r"
    shutil.copytree(served, folder)
    study(folder, SERVED.replace("HF_TOKEN: first", "HF_TOKEN: second"))
    two = measured(folder, "two")
    found = tune("compare", "one", "two", cwd=folder)

    assert two.returncode == 0, two.stderr
    assert found.returncode == 0, found.stderr
    assert "second" not in (folder / "two" / "measurement.json").read_text()


def test_an_attached_model_that_became_another_is_another(tmp_path: Path) -> None:
    """A name that Ollama serves may come to mean other weights or another template."""
    with faked.running() as url:
        folder = study(tmp_path / "r", STUDY.replace(f'fake, model: "{FAST}"', "ollama"))
        given = ("--attach", url, "--model", faked.MODEL)
        first = measured(folder, "one", *given)
        OllamaModels(url).create(faked.MODEL, {"from": faked.MODEL, "template": "{{ .Prompt }}!"})
        second = measured(folder, "two", *given)
    found = tune("compare", "one", "two", cwd=folder)

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert found.returncode == 6, found.stderr
    assert "model_manifest: A has" in found.stderr
