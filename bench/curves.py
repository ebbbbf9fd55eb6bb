"""A line chart of shares against late rates, as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP = 560, 300, 60, 20
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#666666")  # Okabe and Ito: safe for colour-blind

Points = Sequence[tuple[float, float]]


def chart(curves: Mapping[str, Points], x_most: float, title: str) -> str:
    """Return an SVG of named curves over late rates from 0 to `x_most` and shares from 0 to 1."""
    lines = [*_axes(x_most), *_curves(curves, x_most)]
    size = f"{LEFT + WIDTH + 20} {TOP + HEIGHT + 50}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"'
            ' font-family="sans-serif" font-size="13" fill="#444">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            *lines,
            "</svg>\n",
        ]
    )


def _axes(x_most: float) -> Iterator[str]:
    for step in range(6):
        share, rate = step / 5, step / 5 * x_most
        (x, y), right = _place(rate, share, x_most), LEFT + WIDTH
        yield f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        yield f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{rate:.0%}</text>'
    middle = LEFT + WIDTH / 2
    yield f'<text x="{middle:.0f}" y="{TOP + HEIGHT + 38}" text-anchor="middle">late rate</text>'


def _curves(curves: Mapping[str, Points], x_most: float) -> Iterator[str]:
    for number, (name, points) in enumerate(curves.items()):
        colour, y = COLOURS[number % len(COLOURS)], TOP + 20 + 20 * number
        places = " ".join("{:.1f},{:.1f}".format(*_place(*p, x_most)) for p in points)
        yield f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield (
            f'<text x="{LEFT + WIDTH - 8}" y="{y}" text-anchor="end" fill="{colour}">'
            f"{escape(name)}</text>"
        )


def _place(rate: float, share: float, x_most: float) -> tuple[float, float]:
    return LEFT + rate / x_most * WIDTH, TOP + (1 - share) * HEIGHT
