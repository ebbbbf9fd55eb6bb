"""How vLLM lays out the KV cache of a model, and how many tokens and requests it holds.

After vllm/v1/core/kv_cache_utils.py (get_kv_cache_groups, get_max_concurrency_for_kv_cache_config)
and vllm/v1/kv_cache_interface.py of 0.32: layers are dealt into tables of equal size; a block of
each table holds `block_size` tokens of all its layers; all tables draw from one pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.engines.vllm.memory.model_config import Layers, ModelFacts

VALUE_BYTES: Mapping[str, int] = {
    "float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2,
    "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "fp8_inc": 1,
}  # fmt: skip
"""Bytes of a value; other kinds keep scales beside the values."""


@dataclass(frozen=True, slots=True)
class KvCache:
    """The layout of a cache on one GPU.

    `tables` says how each table attends, `table_layers` how many layers one has, `page_bytes`
    what a block takes in one layer, `in_flight` how many tokens are being worked on at most.
    """

    tables: tuple[Layers, ...]
    table_layers: int
    page_bytes: int
    block_size: int
    in_flight: int

    @property
    def block_bytes(self) -> int:
        """Return the bytes of a block in all layers of its table."""
        return self.table_layers * self.page_bytes

    @property
    def token_bytes(self) -> float:
        """Return the bytes of a token that all layers keep."""
        return len(self.tables) * self.block_bytes / self.block_size

    def request_blocks(self, length: int) -> int:
        """Return the most blocks that a request of so many tokens holds at a time."""
        return sum(self._blocks(table, length) for table in self.tables)

    def concurrency(self, kv_bytes: float, length: int) -> float:
        """Return how many requests of so many tokens the cache holds."""
        return max(0.0, kv_bytes // self.block_bytes) / self.request_blocks(length)

    def tokens(self, kv_bytes: float, length: int) -> int:
        """Return the tokens that the cache holds, as vLLM counts them."""
        return int(self.concurrency(kv_bytes, length) * length)

    def longest(self, kv_bytes: float, limit: int) -> int:
        """Return the longest request of at most `limit` tokens that fits; 0 where none does."""
        blocks, low, high = kv_bytes // self.block_bytes, 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (
                (middle, high) if self.request_blocks(middle) <= blocks else (low, middle - 1)
            )
        return low

    def _blocks(self, table: Layers, length: int) -> int:
        if table.kind == "full" or table.window is None:
            return -(-length // self.block_size)
        if table.kind == "chunked":
            return -(-min(table.window + self.in_flight, length) // self.block_size)
        held = min(table.window - 1 + self.in_flight, length)
        return -(-held // self.block_size) + 1  # a window may begin within a block


def layout(
    facts: ModelFacts,
    layers: int,
    kv_value_bytes: int | None,
    tensor_parallel: int,
    block_size: int,
    in_flight: int,
) -> KvCache | None:
    """Return the layout on one GPU of a stage with so many of the model's layers.

    None where it is not known how layers attend or what a value takes, and for no layers.
    """
    if facts.attention is None or kv_value_bytes is None or layers == 0:
        return None
    heads = max(1, facts.kv_heads // tensor_parallel)
    tables, in_each = _tables(facts.attention)
    return KvCache(
        tables=tables,
        table_layers=-(-in_each * layers // facts.layers),
        page_bytes=facts.kv_values // facts.kv_heads * heads * kv_value_bytes * block_size,
        block_size=block_size,
        in_flight=in_flight,
    )


def _tables(attention: tuple[Layers, ...]) -> tuple[tuple[Layers, ...], int]:
    """Deal layers into tables of equal size: that of the rarest kind, or of the most frequent one.

    The latter where it is not half as large again, so that little is padded
    (_get_kv_cache_groups_uniform_page_size).
    """
    counts = [a.count for a in attention]
    size = max(counts) if max(counts) < 1.5 * min(counts) else min(counts)
    return tuple(a for a in attention for _ in range(-(-a.count // size))), size
