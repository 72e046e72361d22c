"""What is done before Snakemake reads anything."""

import getpass
import os
from pathlib import Path

import pytest

from bias_amplification.execution.before import prepare


def test_a_home_folder_that_can_have_caches_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    prepare([])

    assert "XDG_CACHE_HOME" not in os.environ


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "unknown user"])
def test_without_such_a_home_folder_caches_are_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.chdir(tmp_path)
    # Set first, so that they are restored after the test.
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "to be removed")
        monkeypatch.delenv(name)
    if variable == "unknown user":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    else:
        # Not even root can make a folder there.
        monkeypatch.setenv(variable, "/proc/none")

    prepare([])

    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake" / "cache")
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / ".snakemake" / "cache" / "matplotlib")


def test_a_user_whom_the_system_does_not_know_has_a_number_as_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    # Set first, so that it is removed after the test.
    monkeypatch.setenv("LOGNAME", "")

    prepare([])

    assert getpass.getuser() == str(2**31 - 5)
