"""What `tune diff` says of changes."""

from __future__ import annotations

import pytest
from rich.console import Console

from tuner.modelfile.diff import Change, Cost
from tuner.report.diff import diff_document, show_diff


@pytest.mark.parametrize(
    ("costs", "worst", "said"),
    [
        (["nothing"], "nothing", "in service: nothing"),
        (["nothing", "unknown"], "unknown", "in service: base not compared"),
        (["unknown", "reload", "nothing"], "reload", "in service: reload"),
    ],
)
def test_the_dearest_change_is_the_cost_of_all(costs: list[Cost], worst: str, said: str) -> None:
    """What is not known is never told as nothing."""
    found = [Change("FROM", "a", "b", cost) for cost in costs]
    console = Console(width=100)
    with console.capture() as told:
        console.print(show_diff("x", "y", found))

    assert diff_document("x", "y", found)["cost"] == worst
    assert said in " ".join(told.get().split())
