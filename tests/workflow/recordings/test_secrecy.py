"""Nothing that is redacted reaches a file, a note or an error, however an import ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.recordings import written
from tests.workflow.recordings.test_import_requests import asking, imported
from tests.workflow.recordings.written import body
from tuner.spec.errors import InputError, OutputError

SECRETS = ("anna@mail.example", "sk-proj-abcdEFGH1234", "Mustermann", "4111 1111 1111 1111")
SECRET = f"I am Erika {' and '.join(SECRETS)}"


def lines_with_secrets(broken: int) -> Iterator[str]:
    """Yield lines of a recording in whose every field a secret stands."""
    hidden = {"user": "Erika Mustermann", SECRETS[1]: SECRETS[0], "stop": [SECRETS[0]]}
    for n in range(60):
        yield json.dumps(body((("system", SECRET), ("user", f"{n} {SECRET}")), **hidden))
    for _ in range(broken):
        yield '{"messages": "' + SECRET
        yield json.dumps({"messages": [{"role": SECRET, "content": SECRET}]})
        yield json.dumps({"messages": [{"role": "user", "content": {SECRET: SECRET}}]})
        yield f'{{"{SECRET}": 1, "{SECRET}": 2}}'


def test_nothing_unredacted_is_written_or_said(tmp_path: Path) -> None:
    """In no file, and in no note: texts, fields, their names, and what is broken."""
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(lines_with_secrets(broken=0)) + "\n" + '{"half": "' + SECRET)

    done = imported(tmp_path, path)

    everything = "".join(p.read_text() for p in done.out.parent.iterdir()) + repr(done)
    assert not [secret for secret in SECRETS if secret in everything]
    assert "<name>" in everything and "others of 60" in everything
    assert any("120 email" in note for note in done.notes)


def test_nothing_unredacted_is_left_by_an_import_that_fails(tmp_path: Path) -> None:
    """Neither in what it says, nor on the disk."""
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(lines_with_secrets(broken=20)) + "\n")

    with pytest.raises(InputError) as error:
        imported(tmp_path, path)

    assert "80 of 140 records are broken" in str(error.value)
    assert not [secret for secret in SECRETS if secret in str(error.value)]
    assert not any((tmp_path / "out").iterdir())


def test_a_disk_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    """And nothing is there afterwards."""
    (tmp_path / "out").write_text("a file, no folder")

    with pytest.raises(OutputError):
        imported(tmp_path, written.chat(tmp_path, asking("one")))
