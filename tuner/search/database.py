"""Write what a search knows as `study.db`, an SQLite database for looking at."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from functools import partial
from pathlib import Path

import optuna

from tuner.spec.errors import OutputError


def write(source: optuna.storages.BaseStorage, name: str, file: Path) -> None:
    """Write a study of a storage to a file; raise OutputError or OSError where that fails.

    The database is made in a temporary folder, whose name cannot be mistaken for a part of
    its URL, and then moved.
    """
    import sqlalchemy  # slow to import, and only the end of a run needs it

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / file.name
        try:
            _copy(source, name, made)
        except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
            cause = error.__cause__ or error  # creating the tables comes without Optuna's wrapping
            if isinstance(cause, sqlalchemy.exc.DBAPIError):
                cause = cause.orig or cause  # without SQLAlchemy's lines of SQL and links
            raise OutputError(
                f"the search's database cannot be written ({cause}); finished "
                "trials are kept: make room, then go on with --resume"
            ) from error
        partly = file.with_name(f".{file.name}.partial")
        shutil.copyfile(made, partly)
        partly.replace(file)


def _copy(source: optuna.storages.BaseStorage, name: str, file: Path) -> None:
    """Copy a study into a new database, whose tables are those of this Optuna."""
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{file}", {"creator": partial(_hurried, file)}, skip_compatibility_check=True
    )
    optuna.copy_study(from_study_name=name, from_storage=source, to_storage=storage)
    storage.remove_session()
    storage.engine.dispose()


def _hurried(file: Path) -> sqlite3.Connection:
    """Connect without waiting for the disk: the file only copies what the trials' folders hold."""
    connection = sqlite3.connect(file, check_same_thread=False)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
    return connection
