"""The comparison of load clients: what is held against what."""

from __future__ import annotations

import pytest

from bench.fidelity import Setting, runs, table
from bench.peers import PEERS

QUICK = Setting("c4", 4, 0, 40)


@pytest.mark.parametrize("name", ["client", "tune", "aiohttp"])
def test_a_client_is_held_against_the_server_s_stamps(name: str) -> None:
    """No request is left out, and where it is known which is which none is told too early."""
    (peer,) = (p for p in PEERS if p.name == name)

    (found,) = runs([peer], [QUICK], rounds=1)

    assert found.n == 40
    assert (found.ttft_each_p99 is None) == (name == "tune")
    assert found.ttft_each_p99 is None or found.ttft_each_p99 > 0
    assert found.start_s > 0
    assert f"| {name} | c4 | 40 |" in table([found])
