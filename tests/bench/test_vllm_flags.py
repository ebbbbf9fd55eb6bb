"""Flags found in recipes and scripts as they are written."""

from __future__ import annotations

from bench.vllm_flags import of_recipe, of_script, pairs, variables

SCRIPT = r"""
export VLLM_ENGINE_READY_TIMEOUT_S=3600
VLLM_LOG=server.log   # a variable of the script's own
if [ "$TP" -gt 1 ]; then
  MORE=(--enable-expert-parallel --max-num-seqs "$((2 * (TP + 1)))")  # it's an open quote
fi
EXTRA="--stream-interval 20 --block-size=128"
# vllm serve never --enforce-eager
vllm serve "$MODEL" --port $PORT \
  --speculative-config '{"method": "mtp",
     "num_speculative_tokens": 1}' \
  "${MORE[@]}" $EXTRA > "$VLLM_LOG" 2>&1 &
client --model "$MODEL" --backend vllm --num-prompts 10
"""

RECIPE = """
model:
  base_args: ["--trust-remote-code", "--max-model-len 4096"]
  base_env: {VLLM_USE_DEEP_GEMM: "0"}
guide: |
  Tips: lower --max-num-seqs. Start it:
  ```python
  print("not a command")
  ```
  ```bash
  docker run --gpus all -e VLLM_LOGGING_LEVEL=INFO vllm/vllm-openai:latest \\
    org/model --kv-cache-dtype fp8 --max-model-len <tokens>
  ```
"""


def found(commands: list[list[str]]) -> set[tuple[str, str]]:
    """Return all flags of commands with their values."""
    return {pair for words in commands for pair in pairs(words)}


def test_a_script_is_read_with_what_its_variables_hold() -> None:
    """Arrays, texts and quotes over lines; neither comments nor other programs count."""
    assert found(list(of_script(SCRIPT))) == {
        ("--port", "$PORT"),
        ("--speculative-config", '{"method": "mtp",\n     "num_speculative_tokens": 1}'),
        ("--enable-expert-parallel", ""),
        ("--max-num-seqs", "$SUM"),
        ("--stream-interval", "20"),
        ("--block-size", "128"),
    }
    assert variables(SCRIPT, recipe=False) == {"VLLM_ENGINE_READY_TIMEOUT_S"}


def test_a_recipe_is_read_in_its_lists_and_in_its_commands() -> None:
    """What a container's own flags are, and what prose speaks of, does not count."""
    assert found(list(of_recipe(RECIPE))) == {
        ("--trust-remote-code", ""),
        ("--max-model-len", "4096"),
        ("--kv-cache-dtype", "fp8"),
        ("--max-model-len", "$GIVEN"),
    }
    assert variables(RECIPE, recipe=True) == {"VLLM_USE_DEEP_GEMM", "VLLM_LOGGING_LEVEL"}
