"""Damaged files, full disks and wrong clocks: errors name the file, and a rerun ends with the same bytes."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from helpers import PROJECT, ROOT, mount

pytestmark = pytest.mark.slow

FIRST = "rounds/balanced_synthetic/generation_00"
MIDDLE = "rounds/balanced_synthetic/generation_01"
MIDDLE_OF_OTHER = "rounds/center_preservation/generation_01"


def test_a_full_disk_is_reported_and_finished_files_are_kept(undisturbed, without_rounds):
    study = without_rounds
    results = study.results.rename(study.folder / "results_before")
    study.results.mkdir()
    mount("-t", "tmpfs", "-o", "size=200m", "none", study.results)
    try:
        shutil.copytree(results, study.results, dirs_exist_ok=True)
        with study.start() as process:
            study.wait_for_job(f"{FIRST}/generate", process)
            with (study.results / "filler").open("wb") as filler:
                while True:
                    try:
                        filler.write(bytes(1 << 20))
                        filler.flush()
                    except OSError:
                        break
            assert process.wait(120) != 0
        output = study.background_output.read_text()
        (study.results / "filler").unlink()
        before = study.times()

        study.finish()

        assert "make room and run snakemake again. Finished files are kept." in output, output
        assert study.final() == undisturbed.final()
        after = study.times()
        finished = [name for name in before if name.startswith(("base/", "corpus/"))]
        finished.append(f"{FIRST}/model.safetensors")
        assert [name for name in finished if before[name] != after[name]] == []
    finally:
        # Lazily, because a process that is just ending may still have a file open.
        subprocess.run(["umount", "--lazy", study.results], check=True)


def truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_another_rounds(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


# Files in one row have different readers, so one run reports all of them.
@pytest.mark.parametrize(
    "names",
    [
        [f"{MIDDLE_OF_OTHER}/model.safetensors", f"{MIDDLE}/articles.parquet"],
        [f"{MIDDLE}/predictions.parquet"],
    ],
    ids=["model and articles", "predictions"],
)
def test_errors_name_damaged_files_and_deleting_them_is_the_remedy(undisturbed, clone, names):
    exchanged = {"balanced_synthetic": "center_preservation", "center_preservation": "balanced_synthetic"}
    for damage in (truncate, empty, flip_a_bit, replace_by_another_rounds):
        for name in names:
            _, round_name, rest = name.split("/", 2)
            damage(clone.results / name, undisturbed.results / "rounds" / exchanged[round_name] / rest)

        run = clone.run()

        assert run.status != 0, damage
        for name in names:
            lines = [line for line in run.output.splitlines() if f"results/{name}" in line]
            assert any("delete it and run snakemake again" in line for line in lines), (
                damage,
                lines,
                run.output[-3000:],
            )
            shutil.copy2(undisturbed.results / name, clone.results / name)
    for name in names:
        (clone.results / name).unlink()
    clone.finish()
    assert clone.final() == undisturbed.final()


def test_the_error_names_a_damaged_encoder_and_deleting_it_is_the_remedy(undisturbed, clone):
    damaged = clone.results / "classifier" / "selected" / "model.safetensors"
    flip_a_bit(damaged, damaged)
    # Snakemake compares inputs by checksum, and would take the damaged file for a new version in all jobs.
    (clone.results / MIDDLE / "predictions.parquet").unlink()

    run = clone.run()

    assert run.status != 0
    assert "results/classifier/selected/model.safetensors does not have the checksum recorded in" in run.output
    assert "delete it and run snakemake again" in run.output
    damaged.unlink()
    clone.finish()
    assert clone.final() == undisturbed.final()


def test_a_base_model_from_another_source_replaces_the_first(clone):
    weights = load_file(clone.results / "base" / "model.safetensors")
    shutil.copytree(
        clone.results / "base", clone.folder / "model", ignore=shutil.ignore_patterns("generated", "*.parquet")
    )
    name = "transformer.wpe.weight"
    save_file(weights | {name: weights[name] + 0.01}, clone.folder / "model" / "model.safetensors", {"format": "pt"})
    (clone.folder / "model" / "metadata.json").unlink()
    (clone.folder / "folder.yaml").write_text("base_model: {source: folder, path: model}\n", encoding="utf-8")

    clone.finish(targets=["results/base/generated/center/articles.parquet"])

    metadata = json.loads((clone.results / "base" / "metadata.json").read_text())
    assert metadata["source"] == {"folder": "model"}
    assert set(metadata["checksums"]) == {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}


def test_without_snakemakes_records_nothing_is_remade(clone):
    shutil.rmtree(clone.folder / ".snakemake")

    assert "Nothing to be done" in clone.query("--dry-run")


def test_a_read_only_results_folder_is_reported(undisturbed, clone):
    mount("--bind", clone.results, clone.results)
    try:
        (clone.results / MIDDLE / "predictions.parquet").unlink()
        subprocess.run(["mount", "-o", "remount,ro,bind", clone.results], check=True)
        run = clone.run()
        assert run.status != 0
        assert "but no file can be made in" in run.output
    finally:
        subprocess.run(["umount", clone.results], check=True)
    clone.finish()
    assert clone.final() == undisturbed.final()


def test_a_clock_that_is_set_back_or_forward_remakes_nothing(undisturbed, clone):
    for shift in (3600, -7200):
        for path in clone.results.rglob("*"):
            if path.is_file():
                found = path.stat()
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + shift * 10**9))
        assert "Nothing to be done" in clone.query("--dry-run")
    # Inputs from the future: files made from them now would look older than they are.
    for path in (clone.results / MIDDLE).iterdir():
        os.utime(path, (time.time() + 3600, time.time() + 3600))
    (clone.results / MIDDLE / "predictions.parquet").unlink()

    clone.finish()

    assert "Nothing to be done" in clone.query("--dry-run")
    assert clone.final() == undisturbed.final()


def test_new_times_of_all_source_files_remake_nothing(clone):
    for name in PROJECT:
        place = ROOT / name
        for path in [place] if place.is_file() else place.rglob("*"):
            # Other processes may be writing compiled files.
            if path.is_file() and "__pycache__" not in path.parts:
                os.utime(path)

    assert "Nothing to be done" in clone.query("--dry-run")
