"""`tune apply`, `tune rollback` and `tune diff` where files in a folder serve."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_apply_broken_off import until
from tests.cli.test_cli import tune
from tests.engines.files.server import SETTINGS, Production, production, settings
from tests.processes import hear_signals
from tests.workflow.service.folder import NAME, incumbent, result, study

APPLY = ("apply", "r", "--name", NAME, "--yes", "--requests", "5")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a folder in production with its study."""
    with production(tmp_path, "--ttft-ms", "1", "--itl-ms", "0.1") as found:
        study(tmp_path, found)
        yield found


def model(there: Production) -> str:
    """Return the model that the files in service name."""
    return str(json.loads((there.folder / "current" / SETTINGS).read_text())["model"])


def test_a_result_goes_into_service_and_back(there: Production, tmp_path: Path) -> None:
    """It answers, is measured as it serves, and a rollback needs only the name."""
    incumbent(there, tmp_path / "o")
    result(tmp_path / "r", "new")
    applied = tune(*APPLY, "--json", cwd=tmp_path)
    after = model(there), there.serves()
    back = tune("rollback", NAME, cwd=tmp_path)

    assert applied.returncode == 0, applied.stderr
    document = json.loads(applied.stdout)
    assert (document["name"], document["n"], document["rolled_back"]) == (NAME, 5, False)
    assert document["kept"].endswith("/versions/20260102T000000")
    assert "in place: 0 of 5 late for e2e p99 <= 5000 ms (UNDECIDED)" in applied.stderr
    assert after == ("new", "new")
    assert back.returncode == 0, back.stderr
    assert "api is again what was kept as" in " ".join(back.stdout.split())
    assert (model(there), there.serves()) == ("old", "old")


def test_a_first_version_is_removed_by_a_rollback(there: Production, tmp_path: Path) -> None:
    """Which asks first; its server is stopped as well."""
    result(tmp_path / "r", "new")
    applied = tune(*APPLY, cwd=tmp_path)
    asked = tune("rollback", NAME, cwd=tmp_path, input="n\n")
    there_still = there.serves()
    removed = tune("rollback", NAME, "--yes", cwd=tmp_path)
    again = tune("rollback", NAME, "--yes", cwd=tmp_path)

    assert [f.returncode for f in (applied, asked, removed, again)] == [0, 0, 0, 2]
    assert "no version is called api yet" in applied.stderr
    assert there_still == "new"
    assert "api is removed: nothing served as it before" in removed.stdout
    assert there.serves() is None
    assert "nothing was kept of what served as api before" in again.stderr


@pytest.mark.parametrize(("quantile", "verdict"), [(0.99, "FAIL"), (0.5, "UNDECIDED")])
def test_a_target_that_every_request_misses_in_place_is_rolled_back(
    there: Production, tmp_path: Path, quantile: float, verdict: str
) -> None:
    """Exit code 4, also where sixty say little of a median; the old server runs again."""
    incumbent(there, tmp_path / "o")
    result(tmp_path / "r", "new", max_ms=0.001, quantile=quantile)
    found = tune("apply", "r", "--name", NAME, "--yes", cwd=tmp_path)

    assert found.returncode == 4, found.stderr
    assert f"({verdict})" in found.stderr
    assert "rolled back: api is what it was before" in found.stderr
    assert (model(there), there.serves()) == ("old", "old")
    assert len(list((there.folder / "versions").iterdir())) == 2  # the old one and its note


@pytest.mark.parametrize(
    ("wrong", "within", "said"),
    [
        ({"fails": True}, "20s", "the reload command"),  # the command tells of it
        ({"options": ["--never-ready"]}, "2s", "was not well within 2 s"),
        ({"options": ["--error-every", "1"]}, "20s", "in place: "),
    ],
)
def test_what_does_not_come_to_answer_is_rolled_back(
    there: Production, tmp_path: Path, wrong: dict[str, object], within: str, said: str
) -> None:
    """Exit code 5, whatever keeps it from that; the old one serves again."""
    incumbent(there, tmp_path / "o")
    study(tmp_path, there, within=within)
    result(tmp_path / "r", "new", **wrong)
    found = tune(*APPLY, cwd=tmp_path)

    assert found.returncode == 5, found.stderr
    assert said in found.stderr
    assert "rolled back: api is what it was before" in found.stderr
    assert (model(there), there.serves()) == ("old", "old")


@pytest.mark.parametrize(
    ("reload", "said"),
    [
        ("sleep 60", "the reload command sleep did not end within 1 s"),
        ("no-such-program", "no-such-program cannot be run"),
        ("true", "was not well within 1 s"),
    ],
)
def test_an_incumbent_that_did_not_serve_before_is_told_of(
    there: Production, tmp_path: Path, reload: str, said: str
) -> None:
    """It has the name again, and that it does not answer is no news."""
    incumbent(there, tmp_path / "o", runs=False)
    study(tmp_path, there, reload=reload, within="1s")
    result(tmp_path / "r", "new")
    found = tune(*APPLY, cwd=tmp_path)

    assert found.returncode == 5, found.stderr
    told = " ".join(found.stderr.split())
    assert said in told
    assert "rolled back: api is what it was before; it did not answer before, and" in told
    assert model(there) == "old"
    assert "Traceback" not in found.stderr


def test_an_incumbent_that_no_longer_starts_is_told_of(there: Production, tmp_path: Path) -> None:
    """What is new is not left serving all the same; the next apply is not held up by it."""
    incumbent(there, tmp_path / "o")
    (there.folder / "current" / SETTINGS).write_text(settings("old", fails=True))
    result(tmp_path / "r", "new", max_ms=0.001)
    found = tune("apply", "r", "--name", NAME, "--yes", cwd=tmp_path)
    again = tune(*APPLY, "--dry-run", cwd=tmp_path)

    assert found.returncode == 5, found.stderr
    told = " ".join(found.stderr.split())
    assert "edited by hand since it went into service: settings.json" in told
    assert "rolled back: api is what it was before, but it does not answer: the reload" in told
    assert (model(there), there.serves()) == ("old", None)
    assert again.returncode == 0, again.stderr


def test_files_edited_by_hand_are_named_and_kept(there: Production, tmp_path: Path) -> None:
    """Before somebody agrees, in the document, and when they come back."""
    incumbent(there, tmp_path / "o")
    (there.folder / "current" / SETTINGS).write_text(settings("mine"))
    result(tmp_path / "r", "new")
    found = tune(*APPLY, "--json", cwd=tmp_path)
    back = tune("rollback", NAME, cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert "edited by hand since it went into service: settings.json" in found.stderr
    assert json.loads(found.stdout)["edited"] == [SETTINGS]
    assert "edited by hand since it went into service: settings.json; it comes" in back.stderr
    assert (model(there), there.serves()) == ("mine", "mine")


def applying(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a `tune apply` that takes a while."""
    command = [sys.executable, "-m", "tuner", "apply", "r", "--name", NAME, "--yes", *words]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_signals,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("during", ["reload", "check"])
def test_what_is_interrupted_is_rolled_back(
    there: Production, tmp_path: Path, number: signal.Signals, during: str
) -> None:
    """Whether the server is being started or measured; that is said, with the signal's code."""
    incumbent(there, tmp_path / "o")
    slow = ["--load-s", "30"] if during == "reload" else ["--ttft-ms", "400"]
    result(tmp_path / "r", "new", options=slow)

    def reached() -> bool:
        started = len(there.pids) > 1
        return started and (during == "reload" or there.serves() == "new")

    with applying(tmp_path) as running:
        until(reached, running)
        time.sleep(0.5)
        running.send_signal(number)
        _, said = running.communicate(timeout=40)

    assert running.returncode == 128 + number, said
    assert "rolled back: api is what it was before" in said
    assert "Traceback" not in said
    assert (model(there), there.serves()) == ("old", "old")


def test_the_second_of_two_exits_75(there: Production, tmp_path: Path) -> None:
    """So does a rollback; the first goes on undisturbed."""
    result(tmp_path / "r", "new", options=["--ttft-ms", "300"])
    with applying(tmp_path, "--requests", "25") as running:
        until(lambda: there.serves() == "new", running)
        second = tune(*APPLY, cwd=tmp_path)
        back = tune("rollback", NAME, cwd=tmp_path)
        _, said = running.communicate(timeout=40)

    for found in (second, back):
        assert found.returncode == 75, found.stderr
        assert "api is being changed by another tune apply or rollback" in found.stderr
    assert running.returncode == 0, said
    assert model(there) == "new"


FULL = """
mount -t tmpfs -o size=1m none {disk} || exit 99
{before}
head -c 2m /dev/zero > {disk}/ballast 2> /dev/null
"$@"
code=$?
ls {srv}/versions > {left}
readlink {srv}/current >> {left}
exit $code
"""


def on_a_full_disk(
    disk: Path, before: str, there: Production, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run an apply where a disk of one's own is full, after `before` was done on it."""
    if shutil.which("unshare") is None:
        pytest.skip("a small disk of one's own needs unshare (Linux)")
    script = FULL.format(disk=disk, before=before, srv=there.folder, left=cwd / "left")
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    command += [sys.executable, "-m", "tuner", *APPLY]
    env = {**os.environ, "XDG_STATE_HOME": str(cwd / "state")}
    found = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if found.returncode == 99 or "unshare:" in found.stderr:
        pytest.skip("this system allows no mount of one's own")
    return found


@pytest.mark.parametrize("where", ["production", "state"])
def test_a_full_disk_changes_nothing(there: Production, tmp_path: Path, where: str) -> None:
    """What cannot be staged, or written down, is not begun; nothing is left over."""
    incumbent(there, tmp_path / "o")
    result(tmp_path / "r", "new")
    saved, state = tmp_path / "saved", tmp_path / "state"
    shutil.copytree(there.folder, saved, symlinks=True)
    state.mkdir()
    if where == "production":
        disk, before = there.folder, f"cp -a {saved}/. {there.folder}"
    else:
        disk, before = state, f"mkdir {state}/modelfile-tuner"
    found = on_a_full_disk(disk, before, there, tmp_path)
    stamp = "20260102T000000"

    assert found.returncode == 1, found.stderr
    assert "cannot write" in found.stderr
    assert "Traceback" not in found.stderr
    assert (tmp_path / "left").read_text().split() == [stamp, f"{stamp}.json", f"versions/{stamp}"]
    assert (model(there), there.serves()) == ("old", "old")


def test_the_command_line_may_say_all_of_it(there: Production, tmp_path: Path) -> None:
    """Without a section in the study; what is missing is named with its option."""
    (tmp_path / "tune.yaml").write_text((tmp_path / "tune.yaml").read_text().partition("deploy")[0])
    result(tmp_path / "r", "new")
    reload = " ".join(there.deploy.reload)
    words = ["--folder", str(there.folder), "--health", str(there.deploy.health)]
    nothing = tune(*APPLY, cwd=tmp_path)
    some = tune(*APPLY, *words, cwd=tmp_path)
    bad = tune(*APPLY, *words, "--reload", "'", cwd=tmp_path)
    both = tune(*APPLY, *words, "--attach", "http://127.0.0.1:9", cwd=tmp_path)
    whole = tune(*APPLY, *words, "--reload", reload, "--within", "20s", cwd=tmp_path)

    assert [f.returncode for f in (nothing, some, bad, both, whole)] == [2, 2, 2, 2, 0]
    assert "the section `deploy` of a study" in nothing.stderr
    assert "missing: --reload COMMAND" in some.stderr
    assert "--attach names a server" in both.stderr
    assert "--reload: cannot be split into words" in bad.stderr
    assert there.serves() == "new"


def test_what_would_change_is_shown_line_for_line(there: Production, tmp_path: Path) -> None:
    """Before an apply, and by `tune diff` at any time."""
    incumbent(there, tmp_path / "o")
    result(tmp_path / "r", "new")
    unknown = tune("diff", NAME, "r", "--attach", "http://127.0.0.1:9", cwd=tmp_path)
    shown = tune(*APPLY, "--dry-run", cwd=tmp_path)
    tune(*APPLY, cwd=tmp_path)
    result(tmp_path / "next", "newer")
    found = tune("diff", NAME, "next", "--json", cwd=tmp_path)
    (change,) = json.loads(found.stdout)["changes"]

    assert unknown.returncode == 2
    assert "Modelfile cannot be read" in unknown.stderr
    assert f"{SETTINGS}:2" in shown.stderr
    assert found.returncode == 0, found.stderr
    assert (change["what"], change["cost"]) == (f"{SETTINGS}:2", "reload")
    assert '"new"' in change["a"] and '"newer"' in change["b"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d | {"artifacts": {}}, "this run wrote no files that could serve"),
        (lambda d: d | {"artifacts": {"gone": "gone"}}, "has no file gone"),
        (lambda d: d | {"artifacts": {"../tune.yaml": "x"}}, "has no file ../tune.yaml"),
        (
            lambda d: d | {"environment": {"engine": "openai"}, "artifacts": {"client.json": "x"}},
            "this run wrote no Modelfile that could go into service",
        ),
    ],
)
def test_a_result_that_cannot_serve_is_refused(
    there: Production,
    tmp_path: Path,
    change: Callable[[dict[str, object]], dict[str, object]],
    said: str,
) -> None:
    """Before anything is staged."""
    file = Path(result(tmp_path / "r", "new")) / "result.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    found = tune(*APPLY, cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert said in " ".join(found.stderr.split())
    assert not (there.folder / "versions").exists()
