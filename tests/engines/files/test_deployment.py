"""Files in a folder as a place where results go into service, read by a real server."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.files.server import SETTINGS, Production, production, settings
from tests.processes import still_running
from tuner.engines.deployment import Deployment, Release
from tuner.engines.files.deployment import FilesDeployment
from tuner.engines.registry import folder_deployment, kind_by_name
from tuner.spec.address import Address, Url
from tuner.spec.deploy import deploy_of
from tuner.spec.errors import EngineDied, InputError, StartFailed
from tuner.testing.deployment_contract import FIRST, SECOND, DeploymentContract

KIND = kind_by_name("fake")


class TestFilesDeployment(DeploymentContract):
    """The contract, with a server that a script starts anew."""

    @pytest.fixture
    def deployment(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
        """Give a folder in which nothing serves yet."""
        with production(tmp_path_factory.mktemp("production")) as there:
            yield FilesDeployment("api", there.deploy, KIND)

    def again(self, deployment: Deployment, name: str | None = None) -> Deployment:
        """Return what is made of what was written down."""
        record = deployment.record()
        name = deployment.name if name is None else name
        return folder_deployment(name, deploy_of(record), kind_by_name(record["kind"]))

    def release(self, folder: Path, text: str) -> Release:
        """Write the settings of a server."""
        (folder / SETTINGS).write_text(settings(text))
        return Release(folder, (SETTINGS,))

    def broken(self, folder: Path) -> Release:
        """Name a file that is not there."""
        return Release(folder, (SETTINGS,))


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a folder in which nothing serves yet."""
    with production(tmp_path) as found:
        yield found


def put(deployment: FilesDeployment, folder: Path, text: str, **more: object) -> None:
    """Put settings into service, as far as before the reload."""
    folder.mkdir()
    (folder / SETTINGS).write_text(settings(text, **more))
    now = FIRST if deployment.current() is None else SECOND
    staged = deployment.stage(Release(folder, (SETTINGS,)), now)
    deployment.promote(staged, deployment.keeping(now))


def test_it_is_known_whether_the_server_is_the_one_of_a_promotion(
    there: Production, tmp_path: Path
) -> None:
    """Unknown before there was one, false until the reload, and true of who was started by it."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    seen = [deployment.is_new()]
    for text in ("first", "second"):
        put(deployment, tmp_path / text, text)
        seen.append(deployment.is_new())
        deployment.reload()
        seen.append(deployment.is_new())
    somebody_else = FilesDeployment("api", there.deploy, KIND)

    assert seen == [None, None, True, False, True]
    assert somebody_else.is_new() is None


def test_what_answers_after_a_reload_is_a_new_process_with_the_new_files(
    there: Production, tmp_path: Path
) -> None:
    """It is shown, so that nothing is left to say; and going back starts one anew as well."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    said, served = [], []
    for text in ("first", "second"):
        put(deployment, tmp_path / text, text)
        said.append(deployment.reload())
        served.append(there.serves())
    deployment.restore(deployment.kept()[-1])
    said.append(deployment.reload())
    served.append(there.serves())

    assert said == [None, None, None]
    assert served == ["first", "second", "first"]
    assert len(set(there.pids)) == 3


def test_a_process_that_ran_before_is_not_taken_for_the_new_one(
    there: Production, tmp_path: Path
) -> None:
    """A command that starts nothing leaves the old server answering, however well."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")
    deployment.reload()
    lazy = replace(there.deploy, reload=("true",), within_s=0.5)
    deployment = FilesDeployment("api", lazy, KIND)
    put(deployment, tmp_path / "b", "second")

    with pytest.raises(StartFailed, match="still answered by the process that ran before") as found:
        deployment.reload()
    assert found.value.reason == "wrong_server"


def test_what_is_out_of_sight_is_said_to_be(tmp_path: Path) -> None:
    """A server behind another address than this machine's own may be any process anywhere."""
    with production(tmp_path, "--host", "127.0.0.2") as there:
        elsewhere = Url(Address("127.0.0.2", there.port), "/health")
        deployment = FilesDeployment("api", replace(there.deploy, health=elsewhere), KIND)
        put(deployment, tmp_path / "a", "first")

        assert "could not be shown" in (deployment.reload() or "")


@pytest.mark.parametrize(
    ("reload", "reason", "said"),
    [
        (("false",), "crashed", "the reload command false ended with 1"),
        (("no-such-program", "token=secret"), "crashed", "no-such-program cannot be run"),
        (("sleep", "60"), "timeout", "the reload command sleep did not end within 0.5 s"),
        (("true",), "timeout", "was not well within 0.5 s"),
        (
            (sys.executable, "-c", "print('disk on fire'); raise SystemExit(3)"),
            "crashed",
            "disk on fire",
        ),
    ],
)
def test_a_reload_that_fails_is_typed(
    there: Production, tmp_path: Path, reload: tuple[str, ...], reason: str, said: str
) -> None:
    """With what the command printed, and without its words, which may be secret."""
    deploy = replace(there.deploy, reload=reload, within_s=0.5 if reason == "timeout" else 20.0)
    deployment = FilesDeployment("api", deploy, KIND)
    put(deployment, tmp_path / "a", "first")

    with pytest.raises(StartFailed) as found:
        deployment.reload()
    assert found.value.reason == reason
    assert said in str(found.value)
    assert "secret" not in str(found.value)


def test_what_is_started_while_tune_is_being_ended_hears_signals(
    there: Production, tmp_path: Path
) -> None:
    """A process inherits that a signal is ignored: a server must not be deaf for ever."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    code = f"import signal; print([signal.getsignal(getattr(signal, n)) for n in {names}])"
    ask = (sys.executable, "-c", code)
    deployment = FilesDeployment("api", replace(there.deploy, reload=ask, within_s=2.0), KIND)
    put(deployment, tmp_path / "a", "first")
    before = {n: signal.signal(getattr(signal, n), signal.SIG_IGN) for n in names}
    try:
        with pytest.raises(StartFailed, match="was not well"):
            deployment.reload()
        still = [signal.getsignal(getattr(signal, n)) for n in names]
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)

    assert "SIG_IGN" not in (there.folder / "reload.log").read_text()
    assert still == [signal.SIG_IGN] * 3


def test_a_log_that_cannot_be_written_keeps_nobody_from_serving(
    there: Production, tmp_path: Path
) -> None:
    """What served before has to come back on a full disk as well."""
    (there.folder / "reload.log").mkdir()
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")

    assert deployment.reload() is None
    assert there.serves() == "first"


def test_what_a_reload_that_hangs_started_is_ended(there: Production, tmp_path: Path) -> None:
    """Its children as well, so that nothing comes into service after all."""
    pid_file = tmp_path / "pid"
    hanging = ("sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait")
    deployment = FilesDeployment("api", replace(there.deploy, reload=hanging, within_s=0.5), KIND)
    put(deployment, tmp_path / "a", "first")
    with pytest.raises(StartFailed, match="did not end"):
        deployment.reload()

    assert still_running(int(pid_file.read_text())) == []


def test_files_edited_by_hand_are_named(there: Production, tmp_path: Path) -> None:
    """What was changed, what was added, what lost its right to be executed, and what is gone."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    folder = tmp_path / "a"
    folder.mkdir()
    names = ("gone.txt", "kept.txt", "run.sh", SETTINGS)
    for name in names:
        (folder / name).write_text(name)
    (folder / "run.sh").chmod(0o755)
    deployment.promote(deployment.stage(Release(folder, names), FIRST), None)
    current = there.folder / "current"
    (current / SETTINGS).write_text("mine")
    (current / "new.txt").write_text("mine")
    (current / "gone.txt").unlink()
    (current / "run.sh").chmod(0o644)
    serves = deployment.current()

    assert serves is not None
    assert deployment.edited(serves) == ("gone.txt", "new.txt", "run.sh", SETTINGS)


def test_a_link_of_the_user_s_own_is_kept_and_comes_back(there: Production, tmp_path: Path) -> None:
    """What served before `tune` came is a version like others, and nobody says it was edited."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / SETTINGS).write_text(settings("by hand"))
    (there.folder / "current").symlink_to(mine)
    deployment = FilesDeployment("api", there.deploy, KIND)
    before = deployment.current()
    put(deployment, tmp_path / "a", "first")
    (kept,) = deployment.kept()
    deployment.restore(kept)

    assert before is not None
    assert kept.id == before.id == str(mine)
    assert deployment.edited(kept) == ()
    assert (there.folder / "current").resolve() == mine


def test_what_a_kill_left_goes_with_the_next_that_is_staged(
    there: Production, tmp_path: Path
) -> None:
    """A folder half copied, its mark, and a note half written."""
    versions, left = there.folder / "versions", "20200101T000000"
    (versions / left).mkdir(parents=True)
    for name in (f".{left}.staged", f".{left}.json.partial", f"{left}/{SETTINGS}"):
        (versions / name).write_text("half")
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")
    serves = deployment.current()

    assert serves is not None
    assert sorted(p.name for p in versions.iterdir()) == [serves.id, f"{serves.id}.json"]


def test_a_folder_of_the_user_s_own_is_never_removed(there: Production, tmp_path: Path) -> None:
    """Neither one that is called as a version is, nor one that the link names in other words."""
    mine = there.folder / "versions" / "20200101T000000"
    mine.mkdir(parents=True)
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")
    serves = deployment.current()
    assert serves is not None
    (there.folder / "current").unlink()
    (there.folder / "current").symlink_to(there.folder / "versions" / serves.id)
    deployment.discard(serves)

    assert mine.is_dir()
    assert deployment.current() == serves
    assert Path(serves.label).is_dir()


def test_a_folder_in_the_place_of_the_link_is_refused(there: Production, tmp_path: Path) -> None:
    """It cannot be swapped in one step; what to do is said."""
    (there.folder / "current").mkdir()
    with pytest.raises(InputError, match=r"is no link; expected a link .*say `ln -s "):
        FilesDeployment("api", there.deploy, KIND).current()


def test_a_link_to_nowhere_serves_nothing_and_is_replaced(
    there: Production, tmp_path: Path
) -> None:
    """It is no version that could come back."""
    for target in ("nowhere", "versions/20200101T000000"):
        (there.folder / "current").unlink(missing_ok=True)
        (there.folder / "current").symlink_to(target)
        deployment = FilesDeployment("api", there.deploy, KIND)
        put(deployment, tmp_path / f"to-{Path(target).name}", "first")
        serves = deployment.current()

        assert serves is not None
        assert '"first"' in deployment.text()
        assert list(deployment.kept()) == []


def test_a_link_to_itself_is_no_traceback(there: Production) -> None:
    """It cannot be followed to any end, and serves nothing."""
    (there.folder / "current").symlink_to("current")
    deployment = FilesDeployment("api", there.deploy, KIND)
    serves = deployment.current()

    assert serves is not None
    deployment.discard(serves)
    assert deployment.text() == ""
    assert (deployment.edited(serves), list(deployment.kept())) == ((), [])


def test_only_the_files_of_a_release_are_read(there: Production, tmp_path: Path) -> None:
    """The folder of a run has far more: its trials, logs and samples are no part of what serves."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")
    (tmp_path / "a" / "trials").mkdir()
    (tmp_path / "a" / "trials" / "samples.jsonl").write_text("x\n")

    assert deployment.changes(Release(tmp_path / "a", (SETTINGS,))) == ()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"files": [], "before": null}', '"x"'])
def test_a_note_that_cannot_be_read_is_named(
    there: Production, tmp_path: Path, content: str
) -> None:
    """What served before is then for the user to say."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")
    (note,) = (there.folder / "versions").glob("*.json")
    note.write_text(content)
    with pytest.raises(InputError, match=f"{note.name} is no note of a version"):
        deployment.kept()


def test_a_version_whose_folder_is_gone_is_not_offered(there: Production, tmp_path: Path) -> None:
    """A user who tidied up cannot be sent to nowhere."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")
    put(deployment, tmp_path / "b", "second")
    (kept,) = deployment.kept()
    shutil.rmtree(kept.label)

    assert list(deployment.kept()) == []


def test_two_versions_of_one_second_are_two(there: Production, tmp_path: Path) -> None:
    """A clock that is put back overwrites nothing."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    ids = []
    for text in ("a", "b", "c"):
        (tmp_path / text).mkdir()
        (tmp_path / text / SETTINGS).write_text(settings(text))
        staged = deployment.stage(Release(tmp_path / text, (SETTINGS,)), FIRST)
        deployment.promote(staged, deployment.keeping(FIRST))
        ids.append(staged.id)

    assert len(set(ids)) == 3
    assert [version.id for version in deployment.kept()] == ids[:2]


def test_where_nothing_serves_any_more_who_still_answers_is_named(
    there: Production, tmp_path: Path
) -> None:
    """A command that cannot stop its server leaves that to the user, in words."""
    deployment = FilesDeployment("api", there.deploy, KIND)
    put(deployment, tmp_path / "a", "first")
    deployment.reload()
    deployment.restore(None)
    stopped = deployment.reload()
    lazy = FilesDeployment("api", replace(there.deploy, reload=("true",)), KIND)
    with pytest.raises(EngineDied):
        lazy.check()

    assert stopped is None
    put(deployment, tmp_path / "b", "second")
    deployment.reload()
    lazy.restore(None)
    assert "still answers" in (lazy.reload() or "")
