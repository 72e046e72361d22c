"""Studies that have run, and one that has not."""

import shutil
from collections.abc import Iterator

import pytest
from studies import Short, Study, make_study


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Study:
    """A tiny study, run from nothing to its last page, once for all tests that look at it or damage it."""
    study = make_study(tmp_path_factory.mktemp("study") / "first")
    study.said = study.finish()
    return study


@pytest.fixture
def fresh(tmp_path) -> Study:
    """A study that has not run."""
    return make_study(tmp_path / "study")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Short:
    """A short study that nothing has disturbed."""
    study = Short(make_study(tmp_path_factory.mktemp("faults") / "undisturbed").folder)
    study.complete()
    return study


@pytest.fixture
def clone(undisturbed: Short) -> Iterator[Short]:
    """A finished study of one's own, with Snakemake's memory of it."""
    folder = undisturbed.folder.with_name("clone")
    shutil.copytree(undisturbed.folder, folder, symlinks=True)
    yield Short(folder)
    shutil.rmtree(folder)


@pytest.fixture
def begun(undisturbed: Short) -> Iterator[Short]:
    """A study of which nothing has run, beside the finished one."""
    yield Short(make_study(undisturbed.folder.with_name("begun")).folder)
    shutil.rmtree(undisturbed.folder.with_name("begun"))
