"""Studies of the embedded config with other sections."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bias_amplification.study import Study, read_study


@pytest.fixture
def make_study(shipped: Callable[..., dict], tmp_path: Path) -> Callable[..., Study]:
    """Return a function that makes a study of the embedded config in which the given sections replace its own."""
    return lambda **sections: read_study(shipped() | {"results": str(tmp_path / "results")} | sections)
