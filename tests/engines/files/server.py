"""A server of somebody's own that serves from a folder, and the command that starts it anew."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.processes import still_running
from tuner.engines.serving.launch import free_port
from tuner.spec.address import Address, Url
from tuner.spec.deploy import Deploy

SETTINGS = "settings.json"
_PIDS = "started.txt"

ENDED = '''\
"""End the server that was started last, and start one from what `current` names."""
import json, os, pathlib, re, signal, subprocess, sys, time
port, pids, options = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
for pid in map(int, pids.read_text().split()[-1:] if pids.exists() else ()):
    try:
        os.kill(pid, signal.SIGKILL)
        while pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
            time.sleep(0.01)
    except (ProcessLookupError, FileNotFoundError):
        pass
'''
STARTED = """\
quiet = subprocess.DEVNULL
server = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
with pids.open("a") as file:
    file.write(f"{server.pid}\\n")
print("started", server.pid)
"""
"""The beginning and the end of a script that starts a server: it sets `command` between them, from
`port` and `options`."""

_COMMAND = """\
settings = json.loads(pathlib.Path("current/settings.json").read_text())
if settings.get("fails"):
    sys.exit("no such setting: fails")
time.sleep(settings.get("delay", 0))
command = [sys.executable, "-m", "tuner.testing.fake_server"]
command += [json.dumps({"model": settings["model"], "port": port}), *options]
command += settings.get("options", [])
"""
SCRIPT = ENDED + _COMMAND + STARTED


@dataclass(frozen=True, slots=True)
class Production:
    """A folder from which a server serves on a port."""

    folder: Path
    port: int
    script: Path
    options: Sequence[str] = ()

    @property
    def deploy(self) -> Deploy:
        """Return what a study says of it."""
        words = (sys.executable, str(self.script), str(self.port), str(self._pids), *self.options)
        return Deploy(self.folder, words, Url(Address("127.0.0.1", self.port), "/health"), 20.0)

    @property
    def _pids(self) -> Path:
        return self.script.with_name(_PIDS)

    @property
    def pids(self) -> list[int]:
        """Return every server that was started, the last one last."""
        return list(map(int, self._pids.read_text().split())) if self._pids.exists() else []

    def remember(self, pids: Sequence[int]) -> None:
        """Write down which servers were started, where that was taken back with other files."""
        self._pids.write_text("".join(f"{pid}\n" for pid in pids))

    def serves(self) -> str | None:
        """Return the model that answers now, None where nothing does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/models") as answer:
                return str(json.load(answer)["data"][0]["id"])
        except urllib.error.HTTPError as refused:
            refused.close()
            return None
        except (urllib.error.URLError, ConnectionError):
            return None

    def section(self, **changes: object) -> str:
        """Return the section `deploy` of a study, as YAML."""
        document = {
            "folder": str(self.folder),
            "reload": list(self.deploy.reload),
            "health": str(self.deploy.health),
            "within": self.deploy.within_s,
        }
        return "deploy: " + json.dumps(document | changes) + "\n"


@contextlib.contextmanager
def production(folder: Path, *options: str, reload: str = SCRIPT) -> Iterator[Production]:
    """Give a folder in which nothing serves yet; end every server that was started in the end.

    `reload` is the text of the script that starts one.
    """
    script = folder / "reload.py"
    script.write_text(reload)
    (folder / "srv").mkdir()
    there = Production(folder / "srv", free_port(), script, options)
    try:
        yield there
    finally:
        pids = there.pids
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).send_signal(signal.SIGKILL)
        still_running(*pids)


def settings(model: str, **more: object) -> str:
    """Return the file that the server starts from."""
    return json.dumps({"model": model, **more}, indent=1) + "\n"
