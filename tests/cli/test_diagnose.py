"""`tune diagnose` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_check import seen, served, write_study
from tests.cli.test_cli import tune
from tests.workflow.measuring.test_compare import kept
from tuner.cli.diagnose import command
from tuner.spec.errors import EngineError, InputError

CASE = (
    "--p50", "450", "--p99", "1200", "--input-tokens", "150", "--output-tokens", "40",
    "--gpu-util", "35", "--num-ctx", "4096", "--temperature", "0.7", "--target-p99", "500",
)  # fmt: skip


def diagnose(*words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(command, words, env={"NO_COLOR": "1", "COLUMNS": "100"})


def test_help(snapshot: SnapshotAssertion) -> None:
    """The help text says what there is, with examples."""
    assert diagnose("--help").output == snapshot


def test_from_figures_alone_no_search_and_no_engine_is_imported(tmp_path: Path) -> None:
    """It answers from figures before what measures and searches is there."""
    code = (
        "import sys\nfrom tuner.cli.main import cli\n"
        f"cli.main({['diagnose', *CASE]!r}, standalone_mode=False)\n"
        "print([m for m in sys.modules if m.startswith(('tuner.search', 'tuner.engines', 'optuna',"
        " 'tuner.workflow'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert found.stdout.splitlines()[-1] == "[]", found.stderr


def test_the_worked_case_for_people(snapshot: SnapshotAssertion) -> None:
    """What it is, what speaks for and against it, what decides, and what would help."""
    found = diagnose(*CASE)

    assert found.exit_code == 0, found.output
    assert found.output == snapshot


def test_the_worked_case_as_a_document() -> None:
    """The same as JSON, seconds throughout, with null for what is unknown."""
    found = json.loads(diagnose(*CASE, "--json").output)
    parallel = [p for p in found["proposals"] if p["change"] == "parallel"]

    assert found["schema"] == "tuner.diagnosis/1"
    assert found["bottleneck"]["cause"] == "queue"
    assert found["rivals"] == ["output length", "reload", "cache misses"]
    assert found["figures"]["p50"] == 0.45
    assert found["figures"]["rate"] is None
    assert [p["target"] for p in parallel] == ["does not reach"] * 2
    assert found["needed"]["unlimited_s"]["low"] > 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--p50", "450", "--p99", "400"], "--p50 450 ms is above --p99 400 ms"),
        (["--p50", "-1"], "--p50: expected a number above 0"),
        (["--output-tokens", "40"], "without a time or a rate"),
        ([], "say --p50 MS, or name a result"),
        (["nowhere"], "expected a measurement.json or result.json"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], said: str) -> None:
    """Named by the option that was given."""
    found = diagnose(*words)

    assert isinstance(found.exception, InputError)
    assert said in str(found.exception)


def test_bad_input_is_exit_2(tmp_path: Path) -> None:
    """Without a traceback, and with nothing on standard output."""
    found = tune("diagnose", "--p50", "450", "--p99", "400", cwd=tmp_path)

    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("tune: --p50 450 ms is above --p99 400 ms")


@pytest.mark.parametrize("words", [["out", "--url", "http://h:1"], ["--requests", "3", "--model",
                                                                    "m"]])  # fmt: skip
def test_options_that_do_not_go_together_are_refused(words: list[str]) -> None:
    """A result and a server, and what is for a server alone."""
    assert diagnose(*words).exit_code == 2


def test_a_measurement_tells_its_figures_and_options_win(tmp_path: Path) -> None:
    """A closed loop of one never queues; a target can be put beside it."""
    kept(tmp_path / "before", 100.0)
    words = (str(tmp_path / "before"), "--json", "--target-p99", "50")
    found = json.loads(diagnose(*words).output)
    queue = next(h for h in found["hypotheses"] if h["cause"] == "queue")

    assert found["figures"]["p50"] == pytest.approx(0.1, rel=0.05)
    assert found["figures"]["output_tokens"] == 11
    assert found["figures"]["target_p99"] == 0.05
    assert queue["standing"] == "excluded"


def test_what_is_no_whole_measurement_is_refused(tmp_path: Path) -> None:
    """Another version, half of a file, and a document that lacks what a diagnosis needs."""
    file = tmp_path / "measurement.json"
    for text, said in (
        ('{"schema": "tuner.measurement/9"}', "found tuner.measurement/9"),
        ('{"schema": "tuner.measu', "not a document of tune"),
        ('{"schema": "tuner.measurement/1"}', "not a measurement as this version of tune writes"),
    ):
        file.write_text(text)
        found = diagnose(str(file))
        assert isinstance(found.exception, InputError), found.output
        assert said in str(found.exception)


def test_a_running_server_is_asked_a_few_times(tmp_path: Path) -> None:
    """What its answers tell is said, and what so few of them do not tell is unknown."""
    study, out = write_study(tmp_path), tmp_path / "o"
    with served(tmp_path) as url:
        words = ("--url", url, "--study", str(study), "--requests", "12", "--out", str(out))
        found = diagnose(*words, "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)

    assert 12 <= len(seen(tmp_path)) < 20
    assert document["figures"]["p50"] > 0
    assert document["figures"]["p99"] is None
    assert document["figures"]["in_flight"] is None
    assert document["figures"]["prefill"] is not None
    assert f"samples: {out}" in found.stderr.replace("\n", "")


def test_a_server_that_does_not_answer_is_exit_5(tmp_path: Path) -> None:
    """With what was tried."""
    study, out = str(write_study(tmp_path)), str(tmp_path / "o")
    found = diagnose("--url", "http://127.0.0.1:9", "--study", study, "--out", out)

    assert isinstance(found.exception, EngineError)
    assert "127.0.0.1:9" in str(found.exception)
