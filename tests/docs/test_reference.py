"""The pages of docs/reference are what the code says now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import tune
from tools.reference import exit_codes, files, knobs
from tools.reference.__main__ import FOLDER, PAGES
from tuner.cli.main import COMMANDS
from tuner.spec.knobs import Knob

STUDY = """\
version: 1
name: small
engine: {kind: fake}
workload: {prompts: prompts.jsonl}
slo: [{metric: e2e, quantile: 0.99, max_ms: 800}]
baseline: {num_predict: 32}
space: {num_batch: [128, 512]}
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a short run, with a measurement and a capacity beside it."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tune.yaml").write_text(STUDY)
    (folder / "prompts.jsonl").write_text('{"template": "one"}\n{"template": "two"}\n')
    for words in (("run",), ("measure", "--requests", "5"), ("capacity", "--highest", "1")):
        found = tune(*words, "--budget", "5s", "--out", f"out/{words[0]}", "-q", cwd=folder)
        assert found.returncode in (0, 3), found.stderr
    return folder / "out"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    """`make docs` writes it anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_command_has_a_section() -> None:
    """Those of the group `study` have one each."""
    page = PAGES["commands.md"]()

    assert all(f"\n## tune {name}" in page for name in COMMANDS)
    assert "\n## tune study check\n" in page


def test_every_exit_code_has_a_line() -> None:
    """Also those that no error has."""
    page = exit_codes.page()

    assert all(f"\n| {code} | " in page for code in (0, 1, 2, 3, 4, 5, 6, 75, 130, 143))


def test_a_knob_is_documented_by_its_entry() -> None:
    """Every knob of every engine has a line, which its entry alone makes."""
    page = knobs.page()
    found = [k for _, _, of_engine in knobs.knobs_by_engine() for k in of_engine.values()]

    assert len(found) > 40
    assert all(f"\n| `{k.name}` | {k.tier} | " in page for k in found)
    new = {"new": Knob("new", "reload", 7, "environment", least=1, about="What it does.")}
    line = "| `new` | reload | whole number (≥ 1) | `7` | ollama.env | What it does. |"
    assert line in knobs.section("title", "remark", new)


def test_every_file_of_a_run_is_described(out: Path) -> None:
    """Those of a trial too; `service` and the clients' programs come with other engines."""
    for command in ("run", "measure", "capacity"):
        found = {p.name + "/" * p.is_dir() for p in (out / command).iterdir()}
        assert found - {"trials/"} <= set(files.FILES)
    for trial in (out / "run" / "trials").iterdir():
        assert {p.name for p in trial.iterdir()} <= {*files.TRIAL_FILES, *files.FILES}


def test_every_key_of_a_document_is_described(out: Path) -> None:
    """And nothing is described that is not there."""
    result = read(out / "run" / "result.json")
    sample = (next((out / "run" / "trials").iterdir()) / "samples.jsonl").read_text()

    assert set(result) == set(files.RESULT)
    assert set(result["best"]) == set(files.MEASUREMENT)
    assert set(read(out / "measure" / "measurement.json")) == set(files.MEASUREMENT)
    assert set(json.loads(sample.splitlines()[0])) == set(files.SAMPLE)


def read(path: Path) -> Mapping[str, Any]:
    """Return a JSON document."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
