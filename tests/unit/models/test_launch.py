"""The processes that accelerate's launcher starts: their errors, how they end, and the launcher's config file."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
import yaml

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.schemas import TRAINING_SET
from bias_amplification.models.launch import read_launch_config, together
from helpers import ROOT, checksums, wait_until

FSDP = ROOT / "profiles" / "accelerate" / "fsdp.yaml"


def fail(fault: Exception) -> None:
    raise fault


def wait_for_ever(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


@contextmanager
def running(code: str, *arguments: object):
    """Run Python code in a process of its own, which is killed in the end."""
    path = os.pathsep.join(str(ROOT / folder) for folder in ("src", "tests", "tests/unit/models"))
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [StudyError("the file is damaged"), OSError(errno.ENOSPC, "No space left on device")])
def test_faults_that_a_user_can_correct_arrive_as_they_are(fault):
    with pytest.raises(type(fault)) as raised:
        together(fail, {"fault": fault}, 2, "cpu")

    assert raised.value.args == fault.args


@pytest.mark.slow
def test_other_errors_are_shown_with_their_traceback(capfd):
    with pytest.raises(RuntimeError, match="A process of the training failed"):
        together(fail, {"fault": ZeroDivisionError("ratio")}, 2, "cpu")

    said = capfd.readouterr().out
    assert "in fail" in said and "ZeroDivisionError: ratio" in said


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


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_others(tmp_path):
    code = "import sys, test_launch; test_launch.together(test_launch.wait_for_ever, {'folder': sys.argv[1]}, 2, 'cpu')"
    with running(code, tmp_path) as process:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2, process)
        process.kill()

    numbers = [int(file.name) for file in tmp_path.iterdir()]
    wait_until(lambda: not any(map(psutil.pid_exists, numbers)), seconds=60)


#: Trains by two processes: folder of the model, articles, training set, folder for results, file for the state,
#: accelerate's config file, rank of an adapter (0: none).
TRAIN = """
import sys
from bias_amplification.language_model.finetune import InitialModel, finetune_generation
from bias_amplification.study.sections import Adapter, Finetuning, JobCompute
base, articles, chosen, out, state, config, rank = sys.argv[1:]
compute = JobCompute(device="cpu", gpus=2, processes=2, accelerate_config=config or None, state=state)
adapter = Adapter(rank=int(rank), target_modules="all-linear") if int(rank) else None
recipe = Finetuning(epochs=60, batch_size=4, learning_rate=1e-3, max_tokens=64, adapter=adapter)
finetune_generation(chosen, {"seed_set": articles}, InitialModel(base, base), out, recipe, 5, compute)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "sent", "rank"),
    [
        # A study's training by two processes without FSDP is ended in tests/workflow/test_resumed_training.py.
        pytest.param("", signal.SIGTERM, 0, marks=pytest.mark.nightly),
        (FSDP, signal.SIGINT, 0),
        pytest.param(FSDP, signal.SIGTERM, 4, marks=pytest.mark.nightly),
    ],
)
def test_processes_that_are_asked_to_end_save_and_go_on_to_the_same_bits(base, tmp_path, config, sent, rank):
    rows = {"position": range(6), "origin": ["seed_set"] * 6, "article_id": [f"a{k}" for k in range(6)]}
    write_table(pa.table(rows), tmp_path / "set.parquet", TRAINING_SET)

    def train(name: str, ask: bool = False) -> tuple[int, str]:
        state = tmp_path / name / "state.safetensors"
        with running(
            TRAIN, base.folder, base.seed_set, tmp_path / "set.parquet", tmp_path / name, state, config, rank
        ) as process:
            said = ""
            while ask and "step " not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            if ask:
                process.send_signal(sent)
                process.send_signal(sent)
            return process.wait(300), said + process.stdout.read()

    status, said = train("interrupted", ask=True)
    assert (status, said.count("Asked to end: state is saved")) == (128 + sent, 1), said
    assert "Traceback" not in said
    status, said = train("interrupted")
    assert status == 0 and "going on after step" in said, said
    status, said = train("undisturbed")
    assert status == 0 and "going on" not in said, said

    made, expected = (
        checksums((tmp_path / name).glob("*.safetensors"), tmp_path / name) for name in ("interrupted", "undisturbed")
    )
    assert made == expected and list(made) == ["model.safetensors"]


def test_the_shipped_config_files_are_supported():
    assert read_launch_config(FSDP, 3)["num_machines"] == 1
    assert read_launch_config(FSDP.with_name("fsdp_two_machines.yaml"), 4)["num_machines"] == 2
    assert read_launch_config(None, 2)["distributed_type"] == "MULTI_GPU"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mixed_precision": "bf16"}, "has mixed_precision: bf16, but must have no; compute.precision decides it: "),
        (
            {"distributed_type": "DEEPSPEED"},
            "has distributed_type: DEEPSPEED, but must have MULTI_GPU or FSDP: correct",
        ),
        ({"fsdp_config": {"fsdp_version": 1}}, "has fsdp_config.fsdp_version: 1, but must have 2: correct the file."),
        (
            {"fsdp_config": {"fsdp_offload_params": True}},
            "has fsdp_config.fsdp_offload_params: True, but must have Fal",
        ),
        ({"num_machines": 2}, "has num_machines: 2, but compute.gpus is 3, which is no multiple of it: correct one of"),
    ],
)
def test_config_files_that_are_not_supported(tmp_path, changes, sentence):
    file = tmp_path / "accelerate.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(FSDP.read_text()) | changes))

    with pytest.raises(StudyError) as caught:
        read_launch_config(file, 3)
    assert str(caught.value).startswith(f"{file} {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "which cannot be read ("), ("a: [", "which cannot be read ("), ("- 1", "which is no map: make it by `ac")],
)
def test_files_that_are_no_config(tmp_path, text, sentence):
    file = tmp_path / "accelerate.yaml"
    if text:
        file.write_text(text)

    with pytest.raises(StudyError) as caught:
        read_launch_config(file, 2)
    assert str(caught.value).startswith(f"compute.accelerate_config is {file}, {sentence}")
    assert "\n" not in str(caught.value)


def test_one_process_needs_no_config_file():
    with pytest.raises(StudyError, match="accelerate_config has no effect"):
        read_launch_config(FSDP, 1)


def test_several_machines_need_slurm(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    with pytest.raises(StudyError, match="num_machines: 2, but this job does not run under SLURM"):
        together(fail, {}, 2, "cpu", FSDP.with_name("fsdp_two_machines.yaml"))
