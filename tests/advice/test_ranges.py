"""What is reckoned with ranges holds what their figures give."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuner.advice.ranges import difference, hull, product, quotient, scaled, total
from tuner.advice.span import Span

FIGURES = st.floats(0.001, 1e6)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, float]:
    """Return a range, and a figure in it."""
    low, likely, high = sorted(draw(FIGURES) for _ in range(3))
    return Span(low, likely, high), draw(st.floats(low, high))


def holds(span: Span, figure: float) -> bool:
    """Tell whether a figure lies in a range, rounding aside."""
    slack = 1e-9 * max(abs(span.low), abs(span.high), abs(figure), 1e-300)
    return span.low - slack <= figure <= span.high + slack


@given(spans(), spans())
def test_a_result_holds_what_any_two_figures_give(
    a: tuple[Span, float], b: tuple[Span, float]
) -> None:
    """Whichever figures of the ranges are true."""
    (left, x), (right, y) = a, b

    assert holds(product(left, right), x * y)
    assert holds(quotient(left, right), x / y)
    assert holds(total(left, right), x + y)
    assert abs(x - y) < 1e-9 or holds(difference(left, right), x - y)
    assert holds(hull(left, right), x)
    assert holds(scaled(left, 3.0), 3 * x)
