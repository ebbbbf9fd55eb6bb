"""`tune history`: what nights and people did to what serves, and why."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.program import show


@click.command(name="history")
@click.argument("name", required=False)
@click.option("--attach", "host", metavar="URL", help="The Ollama; OLLAMA_HOST by default.")
@click.option(
    "--study",
    "study_file",
    type=click.Path(path_type=Path),
    help="The study whose section `deploy` names the folder, where several have the name.",
)
@click.option(
    "--compare",
    "pair",
    type=(int, int),
    metavar="A B",
    help="Compare the results of two rows, B against A, as `tune compare` does.",
)
@click.option("--force", is_flag=True, help="Compare unlike results all the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    name: str | None,
    host: str | None,
    study_file: Path | None,
    pair: tuple[int, int] | None,
    force: bool,
    as_json: bool,
) -> int:
    """Show what happened to NAME: each night, promotion and way back, and what served then.

    Without NAME, all names with their last row. With --compare the results of two rows are
    compared, by the rows' numbers: exit code 6 where they are of unlike things, 2 where a row has
    no result or its folder is gone. What has no end is shown with its beginning, and what is not
    known as -. What somebody else put into service is known only from the next promotion on.

    \b
    Example:  tune history my-assistant
              tune history my-assistant --compare 3 5
    """  # noqa: D301
    if name is None and (pair or host or study_file):
        raise click.UsageError("say NAME, the name in service; `tune history` lists all of them")
    if force and not pair:
        raise click.UsageError("--force is only for --compare")
    return _names(as_json=as_json) if name is None else _one(
        name, host, study_file, pair, force=force, as_json=as_json
    )  # fmt: skip


def _names(*, as_json: bool) -> int:
    from tuner.report.history import names_document, show_names
    from tuner.workflow.history.history import history
    from tuner.workflow.history.known import all_kept

    kept, broken = all_kept()
    for sentence in broken:
        click.echo(f"left out: {sentence}", err=True)
    found = [one for one in map(history, kept) if one.rows]
    show(names_document(found) if as_json else show_names(found))
    return 0


def _one(
    name: str,
    host: str | None,
    study_file: Path | None,
    pair: tuple[int, int] | None,
    *,
    force: bool,
    as_json: bool,
) -> int:
    from tuner.cli.compare import show_compared
    from tuner.report.history import history_document, show_history
    from tuner.spec.study import load
    from tuner.workflow.history.history import compared, history
    from tuner.workflow.history.known import kept_of

    found = history(kept_of(name, host, load(study_file) if study_file else None))
    if pair is not None:
        show_compared(compared(found.rows, *pair, force=force), as_json=as_json)
    else:
        show(history_document(found) if as_json else show_history(found))
    return 0
