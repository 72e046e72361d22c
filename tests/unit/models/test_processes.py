"""Groups of processes, and the processes that accelerate's launcher starts."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.models.launch import together
from bias_amplification.models.processes import Group


def fail(fault: Exception) -> None:
    raise fault


def test_a_process_by_itself_is_a_group_of_one():
    assert Group.here() == Group(0, 1)
    assert Group().own([1, 2]) == [1, 2]


def test_shares_of_a_batch():
    assert [Group(rank, 2).own([1, 2, 4]) for rank in range(2)] == [[1, 4], [2]]
    assert Group(1, 2).own([7]) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [StudyError("the file is damaged"), OSError(errno.ENOSPC, "No space left on device")])
def test_faults_that_a_user_can_correct_arrive_as_they_are(fault):
    with pytest.raises(type(fault)) as raised:
        together(fail, {"fault": fault}, 2, "cpu")

    assert raised.value.args == fault.args


@pytest.mark.slow
def test_other_errors_arrive_with_their_traceback():
    with pytest.raises(RuntimeError, match="A process of the training failed"):
        together(fail, {"fault": ZeroDivisionError("ratio")}, 2, "cpu")


@pytest.mark.slow
def test_processes_do_not_run_the_main_program_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "assert __name__ == '__main__', 'run again'\n"
        "from bias_amplification.models.launch import together\n"
        f"together(os.makedirs, {{'name': {str(tmp_path / 'made')!r}, 'exist_ok': True}}, 2, 'cpu')\n"
    )
    source = Path(__file__).parents[3] / "src"
    run = subprocess.run(
        [sys.executable, script], env=os.environ | {"PYTHONPATH": str(source)}, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr
    assert (tmp_path / "made").is_dir()
