"""How durations, sizes, sets of CPUs and windows are written on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tuner.spec.window import Window


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m or h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; a line that is still typed is not read."""
        if ctx is not None and ctx.resilient_parsing:
            return value  # type: ignore[no-any-return]
        from tuner.spec.file.parts import parse_duration

        try:
            return parse_duration(value)
        except ValueError as wrong:
            self.fail(f"{wrong}, found {value!r}", param, ctx)


class DurationOrZero(Duration):
    """Seconds as in Duration, or 0 for none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds."""
        return 0.0 if str(value).strip() == "0" else super().convert(value, param, ctx)


class _Parsed(click.ParamType[Any]):
    """A value that a parser of the study file reads."""

    parser = ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the parser makes of a text; a line that is still typed is not read."""
        if not isinstance(value, str) or (ctx is not None and ctx.resilient_parsing):
            return value
        from tuner.spec.file import beside_part

        try:
            return getattr(beside_part, self.parser)(value)
        except ValueError as wrong:
            self.fail(f"{wrong}, found {value!r}", param, ctx)


class Size(_Parsed):
    """Bytes, from a number with KiB, MiB, GiB or TiB."""

    name, parser = "size", "parse_size"


class Cpus(_Parsed):
    """How many CPUs, or a list of them."""

    name, parser = "cpus", "parse_cpus"


def window_of(text: str, time_zone: str | None = None) -> Window:
    """Return the window of a text, which may name its zone itself instead; raise UsageError."""
    from tuner.spec.time_zones import zone_named
    from tuner.spec.window import parse_window

    try:
        return parse_window(text if time_zone is None else f"{text} {time_zone}", zone_named)
    except ValueError as wrong:
        told = "--window" if time_zone is None else "--window or --time-zone"
        raise click.UsageError(f"{told}: {wrong}") from None
