"""The site builds strictly, holds every page, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import demo_table

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of what the site is built from."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    return folder


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does."""
    zensical = Path(sys.executable).parent / "zensical"
    words = [str(zensical), "build", "--strict", "--clean"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def in_nav(entries: list[dict[str, Any]]) -> set[str]:
    """Return the pages that a navigation names."""
    found: set[str] = set()
    for entry in entries:
        for place in entry.values():
            found |= {place} if isinstance(place, str) else in_nav(place)
    return found


def test_it_builds_without_a_warning_and_loads_nothing_from_elsewhere(sources: Path) -> None:
    """Styles, scripts, fonts and pictures lie in the site."""
    built = build(sources)
    assert built.returncode == 0, built.stderr
    html = [p.read_text(encoding="utf-8") for p in (sources / "site").rglob("*.html")]

    assert len(html) > 30
    loaded = r'(?:src=|<link [^>]*href=|url\()["\']?(?:https?:)?//[^"\')\s]+'
    assert not [found for page in html for found in re.findall(loaded, page)]


def test_a_broken_link_ends_the_build(sources: Path, tmp_path: Path) -> None:
    """To a page, and to a heading of one."""
    for link in ("no-such-page.md", "index.md#no-such-heading"):
        folder = tmp_path / link.partition(".")[0]
        shutil.copytree(sources, folder, ignore=shutil.ignore_patterns("site", ".cache"))
        with (folder / "docs" / "index.md").open("a") as page:
            page.write(f"\n[broken]({link})\n")

        assert build(folder).returncode != 0


def test_the_navigation_names_every_page() -> None:
    """No page can only be found by its address."""
    there = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}

    assert in_nav(CONFIG["project"]["nav"]) == there


def test_the_links_of_the_readme_lead_somewhere() -> None:
    """The site does not hold the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)", readme)

    assert len(links) > 20
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_readme_is_short() -> None:
    """What a user needs next has a page of its own."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_recorded_runs_are_those_that_the_results_quote() -> None:
    """Each number of the demo's table is the recorded one."""
    page = (ROOT / "docs" / "results" / "packaged-study.md").read_text(encoding="utf-8")
    recorded = sorted((ROOT / "bench" / "recorded").glob("demo-*.json"))

    assert recorded
    assert all(line in page for line in demo_table(recorded))
