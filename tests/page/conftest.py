"""The pages of a finished study, and a real browser that opens them from the disk."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from helpers import ROOT, link_project

pytest.register_assert_rewrite("browser")
from browser import Visit, find_chromium, visits  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", type=Path, help="results of a finished study to open, in place of a tiny one")
    parser.addoption("--screenshots", type=Path, help="folder for a picture of every page that is opened")


@pytest.fixture(scope="session")
def results(request, tmp_path_factory) -> Path:
    """The results of a finished study; tests only read them. By default, a tiny study runs first."""
    given = request.config.getoption("--results")
    if given:
        return given.resolve()
    folder = link_project(tmp_path_factory.mktemp("page") / "study")
    config = ROOT / "tests" / "workflow" / "tiny.yaml"
    cores = str(os.cpu_count() or 1)
    command = [sys.executable, "-m", "snakemake", "--cores", cores, "--resources", "gpu=1", "--configfile", str(config)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "results"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=find_chromium())
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, request) -> Iterator[Callable[..., Visit]]:
    """A function that opens an HTML file and returns a `Visit`.

    Its arguments are the file, the folder in which all links must lie (by default the file's), the width of the
    window in pixels (`width=1200`), and whether the reader prefers dark colours (`dark=False`).
    """
    yield from visits(browser, request.config.getoption("--screenshots"))
