"""`tune apply` and `tune rollback`, at a pretended server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_cli import tune
from tests.ollama import faked
from tuner.engines.ollama.models import OllamaModels
from tuner.spec.shipped import studies
from tuner.spec.study import load

HASH = load(studies() / "task-api.yaml").workload.hash
CANDIDATE = {"system": "full", "shots": 2, "format": "schema", "think": "auto", "num_ctx": 512}


@pytest.fixture
def host() -> Iterator[str]:
    """Give the address of a server in production."""
    with faked.running() as address:
        yield address


def result_of(folder: Path, verdict: str = "PASS", max_ms: float = 5000.0) -> str:
    """Write the result of a run as far as `apply` reads it; return its folder."""
    folder.mkdir()
    document = {
        "schema": "tuner.result/1",
        "verdict": verdict,
        "target": [{"metric": "e2e", "quantile": 0.99, "max_ms": max_ms}],
        "best": {"candidate": CANDIDATE},
        "set_by_study": ["num_ctx", "system"],
        "artifacts": {"Modelfile": "Modelfile"},
        "workload_hash": HASH,
    }
    (folder / "result.json").write_text(json.dumps(document))
    (folder / "Modelfile").write_text(f"FROM {faked.MODEL}\nSYSTEM new\nPARAMETER num_ctx 512\n")
    (folder / "ollama.env").write_text("OLLAMA_NUM_PARALLEL=2\n")
    return str(folder)


def test_a_dry_run_shows_what_would_change_and_changes_nothing(host: str, tmp_path: Path) -> None:
    """The environment is shown with what puts it in force; no model is made."""
    result = result_of(tmp_path / "r")
    found = tune(
        "apply", result, "--name", "x", "--attach", host, "--target", "systemd", "--dry-run",
        cwd=tmp_path,
    )  # fmt: skip

    assert found.returncode == 0, found.stderr
    assert "no model is called x:latest yet" in found.stderr
    assert "OLLAMA_NUM_PARALLEL=2" in found.stderr
    assert "sudo systemctl restart ollama" in found.stderr
    assert OllamaModels(host).names() == [faked.MODEL]
    assert not (tmp_path / "r" / "service").exists()


def test_what_is_applied_is_measured_in_place(host: str, tmp_path: Path) -> None:
    """As clients send it; then the document says what was done."""
    result = result_of(tmp_path / "r")
    words = ["apply", result, "--name", "x", "--attach", host, "--yes", "--requests", "5"]
    found = tune(*words, "--json", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert "in place: 0 of 5 late for e2e p99 <= 5000 ms (UNDECIDED)" in found.stderr
    document = json.loads(found.stdout)
    assert (document["name"], document["n"], document["kept"]) == ("x:latest", 5, None)
    assert OllamaModels(host).names() == [faked.MODEL, "x:latest"]


def test_a_target_that_fails_in_place_is_rolled_back(host: str, tmp_path: Path) -> None:
    """Exit code 4, and the name serves again what it served before."""
    server = OllamaModels(host)
    server.create("x", {"from": faked.MODEL, "system": "old"})
    result = result_of(tmp_path / "r", max_ms=0.001)
    found = tune("apply", result, "--name", "x", "--attach", host, "--yes", cwd=tmp_path)

    assert found.returncode == 4, found.stderr
    assert "rolled back: x:latest is what it was before" in found.stderr
    assert 'SYSTEM """old"""' in server.modelfile("x")
    assert server.names() == [faked.MODEL, "x:latest"]


def test_a_first_model_that_fails_in_place_is_removed(host: str, tmp_path: Path) -> None:
    """Nothing served under the name before, and nothing does after."""
    result = result_of(tmp_path / "r", max_ms=0.001)
    found = tune("apply", result, "--name", "x", "--attach", host, "--yes", cwd=tmp_path)

    assert found.returncode == 4, found.stderr
    assert "rolled back: x:latest is removed, nothing served as it before" in found.stderr
    assert OllamaModels(host).names() == [faked.MODEL]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        # no verdict is needed for what does not load: the engine's own words are told
        (
            "--no-memory",
            ("more system memory (9.9 GiB)", "rolled back: x:latest is what it was before"),
        ),
        ("--no-replace", ("no space left on device",)),
    ],
)
def test_what_ollama_refuses_leaves_the_old_model_and_nothing_else(
    tmp_path: Path, fault: str, said: tuple[str, ...]
) -> None:
    """Rolled back or never switched, the name serves as before and no other stays in the list."""
    result = result_of(tmp_path / "r")
    with faked.running(fault) as host:
        server = OllamaModels(host)
        server.create("x", {"from": faked.MODEL, "system": "old"})
        found = tune("apply", result, "--name", "x", "--attach", host, "--yes", cwd=tmp_path)

        assert found.returncode == 5, found.stderr
        assert [words for words in said if words not in " ".join(found.stderr.split())] == []
        assert 'SYSTEM """old"""' in server.modelfile("x")
        assert server.names() == [faked.MODEL, "x:latest"]


def test_a_name_that_no_model_can_have_is_told_first(host: str, tmp_path: Path) -> None:
    """Nothing is created, also where only the name that keeps the old model would be too long."""
    long = f"x:{'1' * 70}"
    OllamaModels(host).create(long, {"from": faked.MODEL})
    before, result = OllamaModels(host).names(), result_of(tmp_path / "r")
    for name, said in (("bad name!", "'bad name!' is no name"), (long, "-before-")):
        found = tune("apply", result, "--name", name, "--attach", host, "--yes", cwd=tmp_path)

        assert found.returncode == 2, found.stderr
        assert said in found.stderr
        assert "is no name that Ollama takes" in " ".join(found.stderr.split())
    assert OllamaModels(host).names() == before


def test_a_broken_study_is_told_before_anything_changes(host: str, tmp_path: Path) -> None:
    """What the measurement needs is read before the name changes hands."""
    (tmp_path / "tune.yaml").write_text("version: 1\nnamee: x\n")
    result = result_of(tmp_path / "r")
    found = tune("apply", result, "--name", "x", "--attach", host, "--yes", cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert "namee" in found.stderr
    assert OllamaModels(host).names() == [faked.MODEL]


def test_a_study_with_other_prompts_is_not_measured_with(host: str, tmp_path: Path) -> None:
    """It is said before somebody agrees, with the option that mends it."""
    result = Path(result_of(tmp_path / "r"))
    document = json.loads((result / "result.json").read_text()) | {"workload_hash": "another"}
    (result / "result.json").write_text(json.dumps(document))
    words = ["apply", str(result), "--name", "x", "--attach", host]
    found = tune(*words, "--dry-run", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert "it will not be measured in place: the study at hand has other" in found.stderr


def test_applied_and_rolled_back_by_hand(host: str, tmp_path: Path) -> None:
    """What served before comes back with one command."""
    server = OllamaModels(host)
    server.create("x", {"from": faked.MODEL, "system": "old"})
    result = result_of(tmp_path / "r")
    words = ["apply", result, "--name", "x", "--attach", host, "--yes", "--requests", "0"]
    applied = tune(*words, cwd=tmp_path)
    after = server.modelfile("x")
    server.create("x:latest-before-upgrade", {"from": faked.MODEL, "system": "the user's own tag"})
    back = tune("rollback", "x", "--attach", host, cwd=tmp_path)

    assert (applied.returncode, back.returncode) == (0, 0), applied.stderr + back.stderr
    assert "`tune rollback x:latest` brings it back" in applied.stdout
    assert 'SYSTEM """new"""' in after
    assert 'SYSTEM """old"""' in server.modelfile("x")


def test_settings_are_written_into_a_modelfile_of_the_user(tmp_path: Path) -> None:
    """Comments, the base and a template stay, and that is told; no server is needed."""
    mine = tmp_path / "Modelfile"
    mine.write_text("# mine\nFROM other\nPARAMETER num_ctx 4096\nTEMPLATE x\n")
    result = result_of(tmp_path / "r")
    found = tune("apply", result, "--edit", str(mine), "--yes", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert "PARAMETER num_ctx" in found.stderr
    assert f"measured: FROM (measured: {faked.MODEL}), TEMPLATE; the edited" in found.stderr
    assert mine.read_text() == (
        '# mine\nFROM other\nPARAMETER num_ctx 512\nTEMPLATE x\nSYSTEM """new"""\n'
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["apply", "r", "--name", "x"], 5, "no Ollama answers at http://127.0.0.1:9"),
        (["apply", "u", "--edit", "r/Modelfile"], 2, "is not proven (FAIL); say --unproven"),
        (["apply", "r"], 2, "say --name NAME, or --edit FILE"),
        (["apply", ".", "--name", "x"], 2, "is not the result of a run"),
        (["rollback", "x"], 5, "no Ollama answers at http://127.0.0.1:9"),
    ],
)
def test_bad_input_is_one_message_and_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    """No traceback, the documented exit code, and what to do."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    result_of(tmp_path / "r")
    result_of(tmp_path / "u", verdict="FAIL")
    found = tune(*words, cwd=tmp_path)

    assert found.returncode == code, found.stderr
    assert said in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr


def test_a_first_model_is_removed_by_a_rollback(host: str, tmp_path: Path) -> None:
    """Nothing served before, so that going back means to remove it, which is asked first."""
    result = result_of(tmp_path / "r")
    words = ["--name", "x", "--attach", host, "--yes", "--requests", "0"]
    applied = tune("apply", result, *words, cwd=tmp_path)
    asked = tune("rollback", "x", "--attach", host, cwd=tmp_path, input="n\n")
    there = OllamaModels(host).names()
    removed = tune("rollback", "x", "--attach", host, "--yes", cwd=tmp_path)
    again = tune("rollback", "x", "--attach", host, "--yes", cwd=tmp_path)

    assert [f.returncode for f in (applied, asked, removed, again)] == [0, 0, 0, 2]
    assert "`tune rollback x:latest` removes it" in applied.stdout
    assert "nothing served as x:latest before tune apply made it at 20" in asked.stderr
    assert there == [faked.MODEL, "x:latest"]
    assert "x:latest is removed: nothing served as it before" in removed.stdout
    assert OllamaModels(host).names() == [faked.MODEL]
    assert "nothing was kept of what served as x:latest before" in again.stderr


def test_each_apply_is_rolled_back_in_turn(host: str, tmp_path: Path) -> None:
    """The second brings back the first, and the first, which found nothing, is removed."""
    server, result = OllamaModels(host), result_of(tmp_path / "r")
    words = ["--name", "x", "--attach", host, "--yes", "--requests", "0"]
    tune("apply", result, *words, cwd=tmp_path)
    modelfile = Path(result) / "Modelfile"
    modelfile.write_text(modelfile.read_text().replace("new", "newer"))
    tune("apply", result, *words, cwd=tmp_path)
    served = []
    for _ in range(2):
        served.append(server.modelfile("x"))
        found = tune("rollback", "x", "--attach", host, "--yes", cwd=tmp_path)
        assert found.returncode == 0, found.stderr

    assert ["newer" in text for text in served] == [True, False]
    assert server.names() == [faked.MODEL]


def test_what_somebody_else_made_of_a_name_is_not_removed(host: str, tmp_path: Path) -> None:
    """The model that `apply` made was replaced since: it is not ours to remove."""
    server, result = OllamaModels(host), result_of(tmp_path / "r")
    words = ["--name", "x", "--attach", host, "--yes", "--requests", "0"]
    tune("apply", result, *words, cwd=tmp_path)
    server.create("x", {"from": faked.MODEL, "system": "by hand"})
    found = tune("rollback", "x", "--attach", host, "--yes", cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert "nothing was kept of what served as x:latest" in found.stderr
    assert 'SYSTEM """by hand"""' in server.modelfile("x")
