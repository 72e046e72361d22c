"""A fine-tuning that is ended in its middle: the next run continues from its saved state to the same weights."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from studies import ShortStudy

from helpers import wait_until

pytestmark = pytest.mark.slow

VERSION = "rounds/center_preservation/generation_00"
MODEL = f"results/{VERSION}/model.safetensors"
JOB = f"{VERSION}/finetune"
#: A fine-tuning long enough to be ended in its middle.
LONG = "finetuning: {epochs: 100}\n"

TWO_PROCESSES = """include: "Snakefile"

# As on a machine with two GPUs, but on the CPU.
config["compute"]["processes"] = 2
"""


@pytest.fixture(scope="module")
def undisturbed_long(undisturbed, tmp_path_factory) -> Iterator[ShortStudy]:
    """The short study with a long fine-tuning that nothing has ended."""
    folder = tmp_path_factory.mktemp("long") / "study"
    shutil.copytree(undisturbed.folder, folder, symlinks=True)
    study = ShortStudy(folder)
    (folder / "long.yaml").write_text(LONG, encoding="utf-8")
    study.finish(targets=[MODEL])
    yield study
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("sent", "to_group", "compute"),
    [
        # SIGKILL to all processes leaves the state that was saved before. Jobs that end otherwise save when they end,
        # also those whose Snakemake alone was killed.
        (signal.SIGKILL, True, "warm: true, checkpoint_seconds: 0"),
        (signal.SIGKILL, True, "warm: false, checkpoint_seconds: 0"),
        (signal.SIGKILL, False, "warm: true, checkpoint_seconds: 300"),
        (signal.SIGKILL, False, "warm: false, checkpoint_seconds: 300"),
        (signal.SIGINT, True, "warm: true, checkpoint_seconds: 300"),
        (signal.SIGINT, True, "warm: false, checkpoint_seconds: 300"),
        (signal.SIGTERM, False, "warm: false, checkpoint_seconds: 300"),
    ],
)
def test_an_ended_training_continues_from_its_saved_state(clone, undisturbed_long, sent, to_group, compute):
    overlay = clone.folder / "long.yaml"
    overlay.write_text(LONG + f"compute: {{{compute}}}\n", encoding="utf-8")
    log = clone.log(JOB)
    with clone.start(targets=[MODEL]) as process:
        wait_until(lambda: log.exists() and "step " in log.read_text(), process, 120)
        (os.killpg if to_group else os.kill)(process.pid, sent)
        assert process.wait(300) != 0
    state = clone.results / "state" / f"{JOB}.safetensors"
    wait_until(state.exists)
    if sent == signal.SIGKILL:
        clone.unlock()
    overlay.write_text(LONG + "compute: {checkpoint_seconds: 300}\n", encoding="utf-8")

    said = clone.finish(targets=[MODEL])

    assert "going on after step " in log.read_text()
    assert re.search(r"center_preservation, generation 00: fine-tuning: .*, went on after step \d+ of \d+, ", said)
    assert weights(clone) == weights(undisturbed_long)
    assert not state.exists()


def test_a_training_by_two_processes_continues_from_its_saved_state(clone, undisturbed_long):
    (clone.folder / "two.smk").write_text(TWO_PROCESSES, encoding="utf-8")
    (clone.folder / "long.yaml").write_text(LONG + "compute: {gpus: 2}\n", encoding="utf-8")
    log = clone.log(JOB)
    with clone.start("--snakefile", "two.smk", targets=[MODEL]) as process:
        wait_until(lambda: log.exists() and "step " in log.read_text(), process, 120)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(300) != 0
    assert "Asked to end: state is saved" in log.read_text()

    clone.finish("--snakefile", "two.smk", targets=[MODEL])

    assert "going on after step " in log.read_text()
    metadata = json.loads((clone.results / VERSION / "metadata.json").read_text())
    assert metadata["training"]["processes"] == 2
    # The weights differ from those of one process by the order in which gradients are added.
    assert weights(clone) != weights(undisturbed_long)
    assert losses(clone) == pytest.approx(losses(undisturbed_long), rel=1e-3)


def weights(study: ShortStudy) -> dict[str, str]:
    return study.checksums(f"{VERSION}/model.safetensors")


def losses(study: ShortStudy) -> list[float]:
    return pq.read_table(study.results / VERSION / "training_log.parquet")["loss"].to_pylist()
