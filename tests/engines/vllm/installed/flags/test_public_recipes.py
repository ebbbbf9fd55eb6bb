"""Every flag that public recipes and scripts give to vLLM is taken, or told why not.

`bench/recorded/vllm-flags.json` names the commits that were read; `bench.vllm_flags` writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.vllm.installed.flags.known import FLAGS, VARIABLES, VERSION
from tuner.engines.vllm.installed.flags.command_line import checked
from tuner.engines.vllm.installed.flags.variables import unread
from tuner.spec.errors import InputError

READ: dict[str, Any] = json.loads(
    (Path(__file__).parents[5] / "bench" / "recorded" / "vllm-flags.json").read_text("utf-8")
)
SOURCES = [READ["vllm-project/recipes"], READ["SemiAnalysisAI/InferenceX"]]

GONE = {
    "--disable-log-requests": "which 0.17.0 took out",
    "--swap-space": "which 0.18.0 took out",
    "--guided-decoding-backend": "which 0.11.0 took out",
    "--omni": "vllm-omni, which is another program",
    "--tool-call-parser-plugin": "did you mean --tool-parser-plugin?",
    "--enable-dp-attention": "no release from 0.8.5 to 0.33.0 knows it",
}
"""What is named as taken out or renamed; the last two no release has ever had."""

KEYS = ("use_fp4_indexer_cache", "use_inductor", "fuse_minimax_qk_norm")
"""Keys of configs that were taken out; vLLM's own parser refuses them too."""

NOT_THIS_BUILD = {("--moe-backend", "deep_gemm_amxf4_mega_moe")}
"""Values of builds that are no release."""

GONE_VARIABLES = {
    "VLLM_ATTENTION_BACKEND": "0.15.0",
    "VLLM_FLASHINFER_MOE_BACKEND": "0.24.0",
    "VLLM_MXFP4_USE_MARLIN": "0.24.0",
    "VLLM_PREFIX_CACHE_RETENTION_INTERVAL": "0.30.0",
    "VLLM_ROCM_USE_AITER_MOE_SITUV2_A8W4": "0.31.0",
    "VLLM_RPC_TIMEOUT": "0.23.0",
    "VLLM_USE_FLASHINFER_MOE_FP4": "0.24.0",
    "VLLM_USE_FLASHINFER_MOE_FP8": "0.24.0",
    "VLLM_USE_FLASHINFER_MOE_MXFP4_MXFP8": "0.24.0",
    "VLLM_USE_TRTLLM_ATTENTION": "0.15.0",
    "VLLM_USE_V1": "0.11.1",
}


BESIDE = [
    "VLLM_DSV4_MEGA_FP8_COMBINE",
    "VLLM_ENABLE_K3_LATENT_MOE_TAIL_FUSION",
    "VLLM_MEMORY_PROFILE_INCLUDE_ATTN",
    "VLLM_USE_B12X_FP8_GEMM",
    "VLLM_USE_B12X_MHC",
    "VLLM_USE_B12X_MOE",
    "VLLM_USE_B12X_SPARSE_INDEXER",
    "VLLM_USE_B12X_WO_PROJECTION",
    "VLLM_VERSION",
]
"""Variables that no release reads: of other builds, a slip, and one of a shell."""


def given() -> Iterator[tuple[str, str, bool]]:
    """Yield each flag with each of its values, and whether only vllm-omni is given it.

    A value that only a shell would know is left to the flag's kind.
    """
    for source in SOURCES:
        for flag, seen in source["flags"].items():
            for value in seen["values"] or ["$"]:
                yield flag, value, seen["omni"]


def refusal(flag: str, value: str) -> str | None:
    """Return why a flag with its value is refused, None if it is not."""
    known = FLAGS.get(flag.partition(".")[0].replace("_", "-"))
    if known is not None and value == "$":
        return None
    several = known is not None and known.takes == "many"
    values = value.split() if several else [value] if value not in ("", "$") else []
    try:
        checked([flag, *values], FLAGS)
    except InputError as refused:
        return str(refused)
    return None


def test_the_files_are_those_that_were_counted() -> None:
    """173 recipes and 82 scripts."""
    assert [source["files"] for source in SOURCES] == [173, 82]


@pytest.mark.parametrize(("flag", "value", "omni"), list(given()))
def test_every_flag_parses_or_is_named(flag: str, value: str, omni: bool) -> None:
    """With each value it was given; what only vllm-omni knows is in no release of vLLM."""
    if flag == "--config":
        return
    refused = refusal(flag, value)

    if flag in GONE:
        assert GONE[flag] in (refused or "")
    elif gone := [key for key in KEYS if f'"{key}"' in value or flag.endswith(f".{key}")]:
        assert re.search(rf"\.{gone[0]}, which 0\.\d+\.0 took out; ", refused or "")
    elif (flag, value) in NOT_THIS_BUILD:
        assert "expected one of" in (refused or "")
    elif omni and refused:
        assert f"vLLM {VERSION} does not know {flag};" in refused
    else:
        assert refused is None


def test_each_variable_is_read_or_named() -> None:
    """Those that went are named with the release that took them out; no release reads the rest."""
    names = {name for source in SOURCES for name in source["variables"]}
    said = {name: unread(name, VARIABLES, VERSION) for name in names}
    refused = {name: sentence for name, sentence in said.items() if sentence}

    for name, version in GONE_VARIABLES.items():
        assert f"{name}, which {version} took out; " in refused.pop(name)
    assert all(
        "no release" in sentence or "did you mean" in sentence for sentence in refused.values()
    )
    assert len(refused) == 9
