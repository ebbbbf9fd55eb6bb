"""Groups of subcommands, such as `tune study`."""

from __future__ import annotations

import difflib

import click


class Group(click.Group):
    """Names the nearest subcommand for a mistyped one."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand; raise UsageError where there is none of that name."""
        if found := super().get_command(ctx, cmd_name):
            return found
        near = difflib.get_close_matches(cmd_name, self.commands, n=1, cutoff=0.5)
        group = f"tune {self.name}"
        hint = f"did you mean `{group} {near[0]}`?" if near else self._expected()
        raise click.UsageError(f"{group} has no {cmd_name!r}; {hint}", ctx)

    def _expected(self) -> str:
        return f"expected {' or '.join(self.commands)}"
