"""Start several processes that train one model together, by accelerate's launcher.

`together` calls a function in each of them. The launcher is the one of `accelerate launch`, and reads the same config
file: plain data parallelism by default, FSDP or several machines if the file says so. The launcher starts this module
again in each process. On several machines, SLURM's `srun` starts one launcher on each.
"""

import base64
import ctypes
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from bias_amplification.artifacts import StudyError

_KEY = "compute.accelerate_config"

#: The launcher's settings for one machine, in the form of accelerate's config file. Without a file of its own it would
#: read one in the user's home folder.
_ONE_MACHINE = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": "MULTI_GPU",
    "num_machines": 1,
    "machine_rank": 0,
    "mixed_precision": "no",
    "use_cpu": False,
}

#: What may be written in a config file, where accelerate would know more.
_SUPPORTED = {
    "distributed_type": ("MULTI_GPU", "FSDP"),
    "mixed_precision": ("no",),
    "fsdp_config.fsdp_version": (2,),
    "fsdp_config.fsdp_offload_params": (False,),
}

#: Begins the line by which a process tells of an error that the user can correct.
_FAULT = "bias-amplification fault "

#: Seconds in which processes must have saved their state after they were asked to end, or after one of them failed.
_SECONDS_TO_SAVE = 300

#: `prctl`'s number for the signal that a process gets when its parent ends (Linux).
_PR_SET_PDEATHSIG = 1


def read_launch_config(file: Path | str | None, processes: int) -> dict[str, Any]:
    """Read accelerate's config file, and check that the training supports it.

    Parameters
    ----------
    file
        Config key `compute.accelerate_config`; null: all processes are on this machine, and each has the whole model.
    processes
        Number of processes on all machines.

    Raises
    ------
    StudyError
        If the file cannot be read, or asks for what is not supported.
    """
    if file is None:
        return _ONE_MACHINE
    if processes == 1:
        raise StudyError(f"{_KEY} has no effect with compute.gpus: 1: raise compute.gpus, or set {_KEY} to null.")
    try:
        settings = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(f"{_KEY} is {file}, which cannot be read ({reason}): correct it.") from error
    if not isinstance(settings, dict):
        raise StudyError(f"{_KEY} is {file}, which is no map: make it by `accelerate config --config_file {file}`.")
    for key, allowed in _SUPPORTED.items():
        section, _, name = key.rpartition(".")
        found = ((settings.get(section) or {}) if section else settings).get(name)
        # YAML reads no as a truth value.
        found = found if found is not False or name != "mixed_precision" else "no"
        if found not in (None, *allowed):
            instead = "; compute.precision decides it" if name == "mixed_precision" else ""
            wanted = " or ".join(map(str, allowed))
            raise StudyError(f"{file} has {key}: {found}, but must have {wanted}{instead}: correct the file.")
    machines = settings.get("num_machines") or 1
    if processes % machines:
        raise StudyError(
            f"{file} has num_machines: {machines}, but compute.gpus is {processes}, which is no multiple of it: "
            "correct one of them."
        )
    return settings


def together(
    function: Callable[..., None],
    arguments: Mapping[str, Any],
    processes: int,
    device: str,
    config: Path | str | None = None,
) -> None:
    """Call a function in several processes at once and wait for all of them.

    Parameters
    ----------
    function
        A function at the top level of a module. It finds its rank by `Group.here`; only rank 0 should write files.
        What other ranks print is not shown.
    arguments
        Keyword arguments of the function; they must pickle.
    processes
        Number of processes; on CUDA, each uses the GPU with the number of its rank on its machine.
    device
        "cpu" or "cuda".
    config
        As for `read_launch_config`.

    Raises
    ------
    StudyError, OSError
        As the first process raises it that fails in this way.
    RuntimeError
        If a process raises another exception or is killed.
    SystemExit
        If this process was asked to end. The other processes have saved their state.
    """
    import torch

    settings = read_launch_config(config, processes)
    call = pickle.dumps((function, dict(arguments), device, torch.get_num_threads()))
    with ExitStack() as stack:
        file = config
        if file is None:
            written = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".json"))
            json.dump(settings, written)
            written.flush()
            file = written.name
        port = stack.enter_context(socket.create_server(("", 0)))
        options = ["--config_file", str(file), "--num_processes", str(processes)]
        options += ["--main_process_port", str(port.getsockname()[1])]
        machines = settings.get("num_machines") or 1
        if machines > 1:
            options += ["--main_process_ip", socket.gethostname()]
            # The launchers open the port themselves.
            port.close()
        # On one machine this port stays taken. Then the launcher lets the system choose a free one, which no other job
        # can take between the choice and the use.
        options += ["-m", __name__, "work", base64.b64encode(call).decode()]
        said = stack.enter_context(tempfile.TemporaryFile())
        _launch(_command(machines, options), said)


def _command(machines: int, options: list[str]) -> list[str]:
    """Return the command that starts a launcher on each machine."""
    launcher = [sys.executable, "-m", __name__, "launch"]
    if machines == 1:
        return [*launcher, *options]
    if "SLURM_JOB_ID" not in os.environ:
        raise StudyError(
            f"{_KEY} has num_machines: {machines}, but this job does not run under SLURM, which starts a process on "
            "each machine: use --profile profiles/slurm, or set num_machines to 1."
        )
    # The job itself is a step of the allocation, with which the new step shares its resources.
    srun = ["srun", "--overlap", f"--ntasks={machines}", "--kill-on-bad-exit=0"]
    with_rank = 'exec "$0" "$1" "$2" "$3" --machine_rank "$SLURM_PROCID" "${@:4}"'
    return [*srun, "bash", "-c", with_rank, *launcher, *options]


def _launch(command: list[str], said: BinaryIO) -> None:
    """Run the launcher. A request to end is passed on, and this process ends after the others have saved their state.

    Parameters
    ----------
    command
        Starts the launcher.
    said
        An empty file for the launcher's own messages, which would hide those of the processes.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(_SECONDS_TO_SAVE),
    }
    sys.stdout.flush()
    launcher = subprocess.Popen(command, stderr=said, env=environment, start_new_session=True)
    asked = 0

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        # The terminal and Snakemake may both send a request. A second one would end the launcher before it is done.
        if not asked:
            asked = number
            launcher.terminate()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        status = launcher.wait()
    finally:
        launcher.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise SystemExit(128 + asked)
    if status:
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines()
        for line in lines:
            if line.startswith(_FAULT):
                raise pickle.loads(base64.b64decode(line.removeprefix(_FAULT)))
        raise RuntimeError("\n".join([f"A process of the training failed (status {status} of the launcher).", *lines]))


def _work(call: str) -> None:
    """Join the group in a process that the launcher has started, call the function, and end the process."""
    # The launcher's own messages go to its error output, those of this process to the job's log.
    faults = os.fdopen(os.dup(2), "w")
    os.dup2(1, 2)
    import torch

    function, arguments, device, threads = pickle.loads(base64.b64decode(call))
    torch.set_num_threads(threads)
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
    if torch.distributed.get_rank():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    status = 1
    try:
        function(**arguments)
        status = 0
    except (StudyError, OSError) as fault:
        print(_FAULT + base64.b64encode(pickle.dumps(fault)).decode(), file=faults, flush=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    # At once: freeing a group holds Python's lock while it waits for a thread, which may wait for that lock forever.
    os._exit(status)


def _main(role: str, *arguments: str) -> None:
    """Be the launcher, or a process that it has started."""
    # Also a parent that is killed leaves no process behind: this one is asked to end, and saves its state.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if role == "work":
        _work(*arguments)
    else:
        from accelerate.commands.launch import launch_command, launch_command_parser

        launch_command(launch_command_parser().parse_args(arguments))


if __name__ == "__main__":
    _main(*sys.argv[1:])
