"""Jobs for tests: a usual one, and one whose names hold whatever a file's syntax might take."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

from tuner.spec.window import Window
from tuner.workflow.schedule.job import Job

NIGHT = Window(time(1), time(5), ZoneInfo("Europe/Berlin"), "Europe/Berlin")
LATE = Window(time(22, 30), time(6), ZoneInfo("UTC"), "UTC")

USUAL = Job("my-assistant", NIGHT, Path("/srv/study/tune.yaml"), 7200.0)
ODD = Job("a b:100% \"$HOME\" 'x' <&> é", LATE, Path('/srv/it\'s 5% $(x) "ü" ;#/tune.yaml'), None)
WATCHING = Job("my-assistant", NIGHT, Path("/srv/study/tune.yaml"), None, 8 * 3600.0, pause=True)
JOBS = [USUAL, ODD, WATCHING]
ODD_FOLDER = 'it\'s 100% $HOME; "é" <&> #{x}'
