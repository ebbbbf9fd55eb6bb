"""The page of exit codes, from the tree of errors."""

from __future__ import annotations

from collections.abc import Iterator

from tools.reference.markdown import page as written
from tools.reference.markdown import table
from tuner.spec import errors

_OUTCOMES = (
    (
        0,
        "",
        "Done: the target is proven (`run`, `measure`, `capacity`) or met (`check`), B is better "
        "or not worse (`validate`), or the question answered.",
    ),
    (
        3,
        "",
        "The target is not proven: FAIL or UNDECIDED. The best candidate is written, unproven. "
        "`check`, `validate`, `workload drift`: undecided.",
    ),
    (
        4,
        "",
        "`lint`: a Modelfile has errors. `apply`: a target failed in place, and was rolled back. "
        "`check`: a target is lost. `validate`: B is worse. `workload drift`: production has "
        "moved.",
    ),
    (130, "", "SIGINT (Ctrl-C). The engine is stopped and every finished trial is kept."),
    (143, "", "SIGTERM, likewise. 129 is SIGHUP."),
)

_INTRODUCTION = """\
Every command uses the same codes. An error is one sentence on standard error: what was found, what
was expected, and the next step. A traceback is a bug."""


def page() -> str:
    """Return the page."""
    rows = sorted((*_OUTCOMES, *_errors(errors.TunerError)), key=lambda row: row[0])
    cells = [(str(code), f"`{name}`" if name else "", meaning) for code, name, meaning in rows]
    return written("Exit codes", _INTRODUCTION, table(("code", "error", "meaning"), cells))


def _errors(kind: type[errors.TunerError]) -> Iterator[tuple[int, str, str]]:
    """Yield each error that a user can meet below a kind: its code, name and meaning."""
    for error in _below(kind):
        if not _below(error):
            yield error.exit_code, error.__name__, _first_line(error)
        yield from _errors(error)


def _below(kind: type[errors.TunerError]) -> list[type[errors.TunerError]]:
    """Return the errors right below a kind; those of single rooms are its own affair."""
    return [e for e in kind.__subclasses__() if e.__module__ == errors.__name__]


def _first_line(error: type[errors.TunerError]) -> str:
    return (error.__doc__ or "").split("\n")[0]
