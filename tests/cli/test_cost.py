"""`tune cost` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune
from tuner.cli.main import cli
from tuner.spec.errors import InputError

CASE = (
    "cost", "--params", "7B", "--format", "Q8_0", "--gpu", "A100 SXM4 80GB", "--engine", "vllm",
    "--price", "2", "--rate", "500/h", "--input-tokens", "150", "--output-tokens", "40",
    "--try", "format=Q4_K_M", "--try", "gpu=A10G,price=1", "--try", "hits=60%",
    "--try", "params=3B",
)  # fmt: skip
LEAST = ("cost", "--rate", "5/h", "--price", "1")


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return the JSON document that a command prints, run in this process."""
    assert cli.main([*words, "--json"], standalone_mode=False) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_help(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """It says what there is, with an example."""
    assert tune("cost", "--help", cwd=tmp_path).stdout == snapshot


def test_the_worked_case(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """A table, what each strategy depends on, and break-even rates."""
    found = tune(*CASE, cwd=tmp_path)

    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == snapshot


def test_the_document_of_the_worked_case(capsys: pytest.CaptureFixture[str]) -> None:
    """The same figures for programs: B is best, and W4A16 is what Q4_K_M means there."""
    found = document(capsys, *CASE)
    a, b, c, d = found["strategies"]

    assert (found["schema"], found["best"]) == ("tuner.cost/1", "B")
    assert found["today"]["per_request"]["likely"] == pytest.approx(0.004)
    assert b["saving_per_month"]["likely"] == pytest.approx(730)
    assert b["latency_ratio"]["low"] < 3.4 < b["latency_ratio"]["high"]
    assert [s["saving_per_hour"]["likely"] for s in (a, c, d)] == [0, 0, 0]
    assert a["engine_takes_format"] is False
    assert "W4A16" in " ".join(a["conditions"])
    assert [s["fits"] for s in found["strategies"]] == ["fits"] * 4
    assert d["effort"] == "high"


def test_from_figures_no_search_and_no_engine_is_imported(tmp_path: Path) -> None:
    """Nor what they bring: it answers at once."""
    code = (
        "import sys\nfrom tuner.cli.main import cli\n"
        f"cli.main({list(CASE)!r}, standalone_mode=False)\n"
        "print([m for m in sys.modules if m.startswith(('tuner.search', 'tuner.engines', "
        "'optuna', 'scipy'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert found.stdout.splitlines()[-1] == "[]", found.stderr


def test_more_in_flight_carry_more(capsys: pytest.CaptureFixture[str]) -> None:
    """The weights are read once for all of them; each takes longer, and more memory."""
    one, eight = (document(capsys, *CASE, "--in-flight", n)["today"] for n in ("1", "8"))

    for bound in ("low", "likely", "high"):
        full = "full_at_requests_per_hour"
        assert one[full][bound] < eight[full][bound] < 8 * one[full][bound]
        assert one["request_s"][bound] < eight["request_s"][bound]
    assert one["memory_bytes"]["cache"]["low"] < eight["memory_bytes"]["cache"]["low"]


def test_strategies_of_a_file_come_after_those_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the user's own words for effort and quality, and an own GPU with its price."""
    (tmp_path / "cost.yaml").write_text(
        "gpus: {Box: {memory_gb: 24, bandwidth_gb_s: 600, price: 0.5}}\n"
        "strategies: [{name: Our box, gpu: box, effort: high, quality: none, note: Ask Bo}]\n"
    )
    found = document(capsys, *CASE, "--entries", str(tmp_path / "cost.yaml"))
    own = found["strategies"][-1]

    assert (own["label"], own["name"], own["effort"]) == ("E", "Our box", "high")
    assert own["saving_per_hour"]["likely"] == 1.5
    assert own["quality"]["risk"] == "none"
    assert own["conditions"][-1] == "Ask Bo."
    assert own["with_prefill"] is False
    assert found["best"] == "E"


def test_an_api_is_held_against_the_instance(capsys: pytest.CaptureFixture[str]) -> None:
    """By the price of a request there; null where the instance is full before."""
    dear = document(capsys, *CASE, "--api", "10,10")
    cheap = document(capsys, *CASE, "--api", "0.01,0.01")

    assert dear["api"]["per_request"] == pytest.approx(190 * 10 / 1e6)
    assert dear["today"]["cheaper_than_api_from"] == pytest.approx(2 / 0.0019)
    assert cheap["today"]["cheaper_than_api_from"] is None


def test_a_missing_price_of_one_strategy_leaves_its_columns_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The others stand."""
    found = document(capsys, *LEAST, "--try", "gpu=A10G", "--try", "price=0.5")
    first, second = found["strategies"]

    assert first["per_hour"] is None
    assert first["saving_per_hour"] is None
    assert "price of A10G was not given" in " ".join(first["conditions"])
    assert second["saving_per_hour"]["likely"] == 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cost"], "Missing option '--rate'"),
        (["cost", "--rate", "500", "--price", "1"], "with their unit, such as 500/h"),
        (["cost", "--rate", "0/h", "--price", "1"], "with their unit, such as 500/h"),
        (["cost", "--rate", "5/h"], "--price is missing"),
        (["cost", "--rate", "5/h", "--try", "price=1"], "--price is missing"),
        (["cost", "--rate", "5/h", "--price", "-1"], "expected a number above 0"),
        (["cost", "--rate", "5/h", "--price", "nan"], "expected a number above 0"),
        (["cost", "--rate", "5/h", "--price", "inf"], "expected a number above 0"),
        ([*LEAST, "--input-tokens", "-3"], "expected a number above 0"),
        (["cost", "--price", "1", "--output-tokens", "40"], "Missing option '--rate'"),
        ([*LEAST, "--params", "7B"], "--format is missing"),
        ([*LEAST, "--params", "7X", "--format", "Q8_0"], "such as 7B, 135M or 7.62B, found '7X'"),
        ([*LEAST, "--params", "7B", "--format", "Q8_1"], "did you mean q8_0?"),
        ([*LEAST, "--gpu", "A100"], "may be several GPUs"),
        ([*LEAST, "--engine", "vlm"], "did you mean vllm?"),
        ([*LEAST, "--model", "none.gguf"], "no such model file"),
        ([*LEAST, "nowhere"], "expected a measurement.json or result.json"),
        ([*LEAST, "--api", "1"], "input and of output"),
        ([*LEAST, "--api", "1,1"], "add --input-tokens and --output-tokens"),
        ([*LEAST, "--input-tokens", "9", "--output-tokens", "9", "--num-ctx", "8"],
         "does not hold a request"),
        ([*LEAST, "--try", "gpu"], "expected KEY=VALUE"),
        ([*LEAST, "--try", "gpu=A10G,gpu=L4"], "stands twice"),
        ([*LEAST, "--try", "gpus=A10G"], "did you mean gpu?"),
        ([*LEAST, "--try", "effort=low"], "changes nothing"),
        ([*LEAST, "--try", "hits=2"], "a share above 0 and below 1"),
        ([*LEAST, "--try", "price=x"], "expected a number"),
        ([*LEAST, "--try", "params=3B"], "params needs a format"),
        ([*LEAST, "--try", "format=Q9"], "strategy A: unknown format 'Q9'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_exit_code_2(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a wrong number."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((InputError, click.UsageError)) as wrong:
        cli.main(words, standalone_mode=False)

    text = wrong.value.format_message() if isinstance(wrong.value, click.UsageError) else ""
    assert said in (text or str(wrong.value))
    assert wrong.value.exit_code == 2
