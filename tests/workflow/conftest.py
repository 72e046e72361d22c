"""Studies that have run, and one that has not."""

import pytest
from studies import Study, make_study


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
