"""Studies of the embedded config with a few sections changed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bias_amplification.study import Study, read_study

ROOT = Path(__file__).parents[3]


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    """A function that makes a study of the embedded config, with sections instead of its own."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))

    return lambda **changes: read_study(config | {"results": str(tmp_path / "results")} | changes)
