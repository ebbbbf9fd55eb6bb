"""Costs as a table: no figure is cut off, and what is unknown is left out."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from tests.advice.cost.test_worked_case import DEMAND, STRATEGIES, TODAY, found
from tuner.advice.cost.compared import Compared, compared
from tuner.advice.roofline import Hardware
from tuner.report.cost import figure, headline, show_costs


def shown(case: Compared, width: int = 80) -> str:
    """Return what a terminal of a width shows."""
    console = Console(file=StringIO(), width=width, color_system=None, soft_wrap=True)
    console.print(show_costs(case))
    text = console.file
    assert isinstance(text, StringIO)
    return text.getvalue()


@pytest.mark.parametrize("per_hour", [3.0, 500.0, 30_000.0, 1e6])
def test_no_figure_is_cut_off(per_hour: float) -> None:
    """Not at 80 columns, and not with more strategies than stand beside each other."""
    more = (*STRATEGIES, replace(STRATEGIES[0], label="E"))
    text = shown(compared(TODAY, more, replace(DEMAND, per_hour=per_hour)))

    assert "…" not in text
    assert text.count("today ┃") == 2


def test_rows_of_which_nothing_is_known_are_left_out() -> None:
    """And which options would tell more is said."""
    text = shown(compared(replace(TODAY, model=None, hardware=None), (), DEMAND))

    assert "an hour $" in text
    assert "memory GB" not in text
    assert "--params and --format, or --model; --gpu" in text


def test_the_answer_names_the_best_with_what_it_costs_in_time() -> None:
    """And says so where none saves."""
    assert "B (A10G) saves most: $1.00 an hour, $730 a month" in headline(found())
    assert headline(compared(TODAY, STRATEGIES[:1], DEMAND)).endswith(
        "No strategy here surely saves."
    )


def test_what_the_best_depends_on_is_said_with_it() -> None:
    """Whether it fits and carries the rate, where the figures leave that open."""
    b = STRATEGIES[1]
    unknown = compared(
        replace(TODAY, model=None), (replace(b, setup=replace(b.setup, model=None)),), DEMAND
    )

    assert headline(unknown).endswith("provided that it fits and one instance carries the rate.")
    assert "provided" not in headline(found())
    tiny = Hardware("tiny", 1e9, TODAY.hardware.bandwidth)  # type: ignore[union-attr]
    assert headline(compared(replace(TODAY, hardware=tiny), (), DEMAND)).startswith(
        "This does not fit into memory"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (2, "2.00"), (-2, "-2.00"), (0.004, "0.0040"), (0.000046, "0.000046"),
     (0.996, "1.00"), (730, "730"), (1460.4, "1,460"), (-0.05, "-0.050")],
)  # fmt: skip
def test_a_figure_keeps_the_digits_that_count(value: float, text: str) -> None:
    """Two of them where it is small."""
    assert figure(value) == text
