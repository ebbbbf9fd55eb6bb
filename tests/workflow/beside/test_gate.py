"""A gate waits while production is busy, in virtual time and before a real page of metrics."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.beside import production as fake
from tuner.spec.beside import Metric, PauseWhile, Threshold
from tuner.spec.errors import Busy
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.beside import gate as gates
from tuner.workflow.beside.gate import CALM_LOOKS, POLL_S, Gate, Watched
from tuner.workflow.beside.load import OtherCpus, on_page, total, watched

Load = Callable[[float], float | None]


def gate(load: Load, limit: float = 4.0, patience_s: float = 900.0) -> tuple[Gate, list[str]]:
    """Return a gate before a load that depends on the time of the loop, and what it notes."""

    async def read() -> float | None:
        return load(asyncio.get_running_loop().time())

    said: list[str] = []
    return Gate([Watched("requests", Threshold(limit), read)], patience_s, said.append), said


def waited(made: Gate, most_s: float = math.inf) -> float:
    """Return for how many seconds a gate makes us wait."""

    async def work() -> float:
        await made.until_calm(most_s)
        return asyncio.get_running_loop().time()

    return virtually(work())


def test_it_lets_pass_at_once_below_the_threshold() -> None:
    """Up to the threshold itself nothing is busy, and nothing is said."""
    made, said = gate(lambda t: 4.0)

    assert waited(made) == 0.0
    assert said == []


def test_it_waits_until_production_is_calm_for_a_while() -> None:
    """A gap between requests is no calm, nor is a load just below the threshold."""
    made, said = gate(lambda t: 9.0 if t < 60 else 3.9 if t < 100 else 0.0 if t < 106 else
                      5.0 if t < 120 else 3.0)  # fmt: skip

    assert waited(made) == pytest.approx(120 + (CALM_LOOKS - 1) * POLL_S, abs=POLL_S)
    assert said[0] == "paused: production is busy: requests is 9, above 4"
    assert said[1].startswith("goes on after a pause of ")


def test_it_gives_up_after_the_patience_with_the_reason() -> None:
    """What was measured is kept; the sentence says how to go on."""
    made, _ = gate(lambda t: 9.0, patience_s=60.0)
    with pytest.raises(Busy, match="busy for 60 s: requests is 9, above 4") as busy:
        waited(made)

    assert busy.value.exit_code == 75
    assert "--resume" in str(busy.value)


def test_it_gives_up_when_the_time_is_over() -> None:
    """A window that closes is not waited through."""
    made, _ = gate(lambda t: 9.0)
    with pytest.raises(Busy, match="for 20 s"):
        waited(made, most_s=20.0)
    made, _ = gate(lambda t: 9.0)
    with pytest.raises(Busy, match="for 0 s"):
        waited(made, most_s=-1.0)


def test_what_nobody_tells_is_not_calm() -> None:
    """A page that is back soon costs one look; one that stays away uses up the patience."""
    made, said = gate(lambda t: None if t < 12 else 0.0)
    assert waited(made) == 15.0
    assert said[0] == "paused: requests cannot be read"

    made, _ = gate(lambda t: None, patience_s=30.0)
    with pytest.raises(Busy, match="requests cannot be read"):
        waited(made)


def test_any_one_load_is_enough() -> None:
    """All are read, and those that are busy are named."""
    one, _ = gate(lambda t: 0.0)
    two, _ = gate(lambda t: 9.0)
    both = Gate([*one.watched, *two.watched], 10.0)
    with pytest.raises(Busy, match="requests is 9"):
        waited(both)


@given(st.lists(st.sampled_from([0.0, 3.5, 5.0, None]), max_size=40))
def test_it_ends_where_production_ends_calm(loads: list[float | None]) -> None:
    """Whatever went before: no load that wavers holds it longer than the calm takes."""
    made, _ = gate(
        lambda t: loads[int(t / POLL_S)] if int(t / POLL_S) < len(loads) else 0.0, patience_s=1e6
    )

    assert waited(made) <= (len(loads) + CALM_LOOKS) * POLL_S


PAGE = """# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="m"}} {0}
vllm:num_requests_running{{engine="1",model_name="m"}} 1.0
vllm:num_requests_running_by_reason{{reason="x"}} 100.0
llamacpp:requests_processing {0}
"""


@pytest.mark.parametrize(
    ("page", "name", "value"),
    [
        (PAGE.format(3), "vllm:num_requests_running", 4.0),
        (PAGE.format(3), "llamacpp:requests_processing", 3.0),
        (PAGE.format(3), "vllm:num_requests", None),
        (PAGE.format("NaN"), "llamacpp:requests_processing", None),
        (PAGE.format("+Inf"), "llamacpp:requests_processing", None),
        (PAGE.format("many"), "llamacpp:requests_processing", None),
        ("x{a=", "x", None),
        ("<html>", "x", None),
        ("", "x", None),
    ],
)
def test_a_number_of_a_page_is_summed_over_its_labels(
    page: str, name: str, value: float | None
) -> None:
    """What cannot be read, or is no finite number, is unknown."""
    assert total(page, name) == value


@given(st.text(), st.text(min_size=1))
def test_no_page_breaks_the_gate(page: str, name: str) -> None:
    """Whatever a server sends."""
    found = total(page, name)

    assert found is None or math.isfinite(found)


def test_a_real_page_is_watched_as_it_changes_and_goes(tmp_path: Path) -> None:
    """Busy, calm, and gone with its server."""
    with fake.running(tmp_path / "p") as production:
        page = tmp_path / "p" / "metrics"
        metric = Metric(production.health, "vllm:num_requests_running", Threshold(4.0))
        made = Gate(watched(PauseWhile(metrics=(metric,))), 900.0)

        async def look() -> gates.Look:
            return await made.look()

        page.write_text(PAGE.format(9))
        busy = really(look())
        page.write_text(PAGE.format(0))
        calm = really(look())
    gone = really(look())

    assert busy.busy is not None and "is 10, above 4" in busy.busy
    assert (calm.busy, calm.unknown, calm.calm) == (None, None, True)
    assert gone.unknown is not None and gone.busy is None and not gone.calm


def test_a_page_that_is_no_page_is_unknown(tmp_path: Path) -> None:
    """An address that nobody can have, too."""
    nowhere = Metric("http://127.0.0.1:1/metrics", "x", Threshold(1.0))

    assert really(on_page(nowhere)) is None


def test_what_others_take_of_the_cpus_is_a_share() -> None:
    """The first look takes a second, since the kernel counts coarsely."""
    found = really(OtherCpus().read())

    assert found is None or 0.0 <= found <= 1.0


def really(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in real time."""
    return asyncio.run(work)
