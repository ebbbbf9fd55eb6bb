"""An engine that is a distribution of its own does all that ours do, without a word in tuner."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli.test_cli import tune

SOURCE = Path(__file__).with_name("pebble.py")
METADATA = "Metadata-Version: 2.1\nName: pebble\nVersion: 1.0\n"
ENTRY_POINTS = "[tuner.engines]\npebble = pebble:KIND\nbare = pebble:BARE\n"
MODELFILE = (
    "FROM ./small.pebble\nPARAMETER temperature 0.3\nSYSTEM Be brief.\nTEMPLATE {{ .Prompt }}\n"
)


def with_pebble(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `tune` where the engine is installed: as pip leaves it, in a folder of the path."""
    site = cwd / "site"
    described = site / "pebble-1.0.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    (site / "pebble.py").write_text(SOURCE.read_text())
    (described / "METADATA").write_text(METADATA)
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    return tune(*words, cwd=cwd, PYTHONPATH=str(site))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a pebble, a Modelfile over it, and a first study of it."""
    (tmp_path / "small.pebble").write_text("pebble")
    (tmp_path / "Modelfile").write_text(MODELFILE)
    made = with_pebble("init", "Modelfile", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path


def test_a_first_study_is_started(folder: Path) -> None:
    """Its own knobs stand in it, the texts of the Modelfile, and what of that is left out."""
    text = (folder / "tune.yaml").read_text()
    found = yaml.safe_load(text)

    assert found["engine"] == {"kind": "pebble", "model": str(folder / "small.pebble")}
    assert found["baseline"] == {"stones": 512, "most_words": 64, "system": "own"}
    assert found["space"] == {"system": ["own"], "stones": [64, 128, 512]}
    assert "  # How many stones.\n  stones: [64, 128, 512]  # fewer are lighter\n" in text
    assert '#   PARAMETER temperature "0.3"\n#   TEMPLATE: the engine\'s own is used' in text
    assert (folder / "system.txt").read_text() == "Be brief.\n"


@pytest.mark.parametrize("words", [("--engine", "pebble"), ("any", "--engine", "pebble")])
def test_it_may_be_asked_for(words: tuple[str, ...], tmp_path: Path) -> None:
    """Also for a model whose name tells nothing."""
    made = with_pebble("init", *words, cwd=tmp_path)
    checked = with_pebble("study", "check", "tune.yaml", cwd=tmp_path)

    assert made.returncode == 0, made.stderr
    assert checked.returncode == 0, checked.stderr
    assert "kind: pebble" in (tmp_path / "tune.yaml").read_text()


def test_a_kind_that_says_nothing_of_a_study_gets_one_all_the_same(tmp_path: Path) -> None:
    """It searches nothing yet, and can be measured."""
    made = with_pebble("init", "any", "--engine", "bare", cwd=tmp_path)
    checked = with_pebble("study", "check", "tune.yaml", cwd=tmp_path)
    measured = with_pebble("measure", "--requests", "5", "--out", "out", "-q", cwd=tmp_path)

    assert made.returncode == 0, made.stderr
    assert checked.returncode == 0, checked.stderr
    assert "name the knobs to search" in checked.stderr
    assert measured.returncode in (0, 3), measured.stderr


def test_its_study_is_checked(folder: Path) -> None:
    """Its knobs, its section and its kind are known, and named where a file is wrong."""
    whole = with_pebble("study", "check", "tune.yaml", cwd=folder)
    text = (folder / "tune.yaml").read_text()
    (folder / "knob.yaml").write_text(text.replace("stones: [", "stonse: ["))
    (folder / "key.yaml").write_text(text.replace("kind: pebble,", "kind: pebble, color: red,"))
    knob = with_pebble("study", "check", "knob.yaml", cwd=folder)
    key = with_pebble("study", "check", "key.yaml", cwd=folder)
    schema = with_pebble("study", "schema", cwd=folder)

    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.startswith("tune.yaml: ok\n")
    assert (knob.returncode, key.returncode) == (2, 2)
    assert "did you mean stones?" in knob.stderr
    assert "did you mean colour?" in key.stderr
    assert "PebbleSection" in schema.stdout


def test_it_is_tuned(folder: Path) -> None:
    """A run searches its knobs, and writes its own file."""
    found = with_pebble("run", "tune.yaml", "--target-p99", "2000", "--budget", "10s",
                        "--out", "out", "-q", cwd=folder)  # fmt: skip
    result = json.loads((folder / "out" / "result.json").read_text())
    tried = {trial["candidate"]["stones"] for trial in result["trials"]}
    written = json.loads((folder / "out" / "pebble.json").read_text())

    assert found.returncode in (0, 3), found.stderr
    assert len(tried) > 1
    assert tried <= {64, 128, 512}
    assert written["stones"] == result["best"]["candidate"]["stones"]
    assert written["system"] == "Be brief."
    assert "pebble.json (holds stones, most_words" in " ".join(found.stdout.split())


def test_it_is_measured(folder: Path) -> None:
    """A measurement says what the engine itself says of its knobs."""
    found = with_pebble("measure", "tune.yaml", "--requests", "20", "--set", "stones=128",
                        "--json", "--out", "out", cwd=folder)  # fmt: skip
    measured = json.loads(found.stdout)

    assert found.returncode in (0, 3), found.stderr
    assert measured["n"] == 20
    assert measured["effective"]["settings"] == {"stones": 128}


def test_doctor_knows_it(tmp_path: Path) -> None:
    """It is listed with what it says of itself."""
    found = with_pebble("doctor", cwd=tmp_path)

    assert "pebbles lie everywhere" in found.stdout


def test_who_lacks_it_is_told(folder: Path) -> None:
    """Without its package a study of it is refused, and what there is named."""
    found = tune("study", "check", "tune.yaml", cwd=folder)

    assert found.returncode == 2
    assert "unknown engine 'pebble'" in found.stderr
