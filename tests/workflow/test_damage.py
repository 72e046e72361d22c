"""Faults of files, disks and clocks: damage is named, and a rerun ends with the bytes of an undisturbed run."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from studies import ROOT, head, wait_for

pytestmark = pytest.mark.slow

MIDDLE = "rounds/balanced_synthetic/generation_01"


def test_a_full_disk_is_told_and_nothing_is_lost(undisturbed, begun):
    begun.results.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "none", begun.results]).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        with head(begun) as process:
            wait_for(begun, "generation 00: writing articles", process)
            with (begun.results / "filler").open("wb") as filler:
                while True:
                    try:
                        filler.write(bytes(1 << 20))
                        filler.flush()
                    except OSError:
                        break
            assert process.wait(120) != 0
        said = (begun.folder / "head.log").read_text()
        (begun.results / "filler").unlink()
        done = begun.times()

        begun.complete()

        assert "make room and run snakemake again, nothing finished is lost." in said, said
        assert begun.final() == undisturbed.final()
        after = begun.times()
        whole = [name for name in done if name.startswith(("base/", "corpus/"))]
        assert whole
        assert all(done[name] == after[name] for name in whole)
    finally:
        # Lazily, for a process that is just ending may still have a file open.
        subprocess.run(["umount", "--lazy", begun.results], check=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path: Path) -> None:
    shutil.copyfile(path.parents[2] / "center_preservation" / path.parent.name / path.name, path)


@pytest.mark.parametrize("name", ["articles.parquet", "model.safetensors", "predictions.parquet"])
def test_a_damaged_file_is_named_and_deleting_it_mends_all(undisturbed, clone, name):
    damaged = clone.results / MIDDLE / name
    whole = shutil.copy2(damaged, clone.folder / "whole")
    for damage in (cut, empty, flip, swap):
        damage(damaged)

        refused = clone.run()

        said = refused.stdout + refused.stderr
        assert refused.returncode != 0, damage
        assert f"results/{MIDDLE}/{name}" in said, damage
        assert "delete it and run snakemake again" in said, damage
        shutil.copy2(whole, damaged)
    damaged.unlink()
    clone.complete()
    assert clone.final() == undisturbed.final()


def test_a_damaged_encoder_is_named_and_deleting_it_mends_all(undisturbed, clone):
    damaged = clone.results / "classifier" / "selected" / "model.safetensors"
    flip(damaged)
    # Snakemake compares what a file is made from by checksum, and would take the damage for news.
    (clone.results / MIDDLE / "predictions.parquet").unlink()

    refused = clone.run()

    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "results/classifier/selected/model.safetensors is not the file that" in said
    assert "delete it and run snakemake again" in said
    damaged.unlink()
    clone.complete()
    assert clone.final() == undisturbed.final()


def test_a_base_model_of_another_source_takes_the_place_of_the_first(clone):
    weights = load_file(clone.results / "base" / "model.safetensors")
    shutil.copytree(
        clone.results / "base", clone.folder / "model", ignore=shutil.ignore_patterns("generated", "*.parquet")
    )
    name = "transformer.wpe.weight"
    save_file(weights | {name: weights[name] + 0.01}, clone.folder / "model" / "model.safetensors", {"format": "pt"})
    (clone.folder / "model" / "metadata.json").unlink()
    (clone.folder / "folder.yaml").write_text("base_model: {source: folder, path: model}\n", encoding="utf-8")

    clone.finish("results/base/generated/center/articles.parquet", configs=clone.configs)

    told = json.loads((clone.results / "base" / "metadata.json").read_text())
    assert told["source"] == {"folder": "model"}
    assert set(told["checksums"]) == {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}


def test_without_snakemakes_memory_nothing_is_made_again(clone):
    shutil.rmtree(clone.folder / ".snakemake")

    assert "Nothing to be done" in clone.complete("--dry-run")


def test_results_that_cannot_be_written_are_told(undisturbed, clone):
    if os.geteuid() or subprocess.run(["mount", "--bind", clone.results, clone.results]).returncode:
        pytest.skip("a read-only folder needs root here")
    try:
        (clone.results / MIDDLE / "predictions.parquet").unlink()
        subprocess.run(["mount", "-o", "remount,ro,bind", clone.results], check=True)
        refused = clone.run()
        assert refused.returncode != 0
        assert "Write-protected output files" in refused.stdout + refused.stderr
    finally:
        subprocess.run(["umount", clone.results], check=True)
    clone.complete()
    assert clone.final() == undisturbed.final()


def test_a_clock_that_moves_makes_nothing_anew(undisturbed, clone):
    for shift in (3600, -7200):
        for path in clone.results.rglob("*"):
            if path.is_file():
                found = path.stat()
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + shift * 10**9))
        assert "Nothing to be done" in clone.complete("--dry-run")
    # Inputs from the future: what is made of them now looks older than they are.
    for path in (clone.results / MIDDLE).iterdir():
        os.utime(path, (time.time() + 3600, time.time() + 3600))
    (clone.results / MIDDLE / "predictions.parquet").unlink()

    clone.complete()

    assert "Nothing to be done" in clone.complete("--dry-run")
    assert clone.final() == undisturbed.final()


def test_a_checkout_that_touches_every_file_makes_nothing_anew(clone):
    for name in ("Snakefile", "workflow", "config", "profiles", "resources", "src", "envs"):
        place = ROOT / name
        for path in [place] if place.is_file() else place.rglob("*"):
            # Compiled files come and go with whoever runs beside.
            if path.is_file() and "__pycache__" not in path.parts:
                os.utime(path)

    assert "Nothing to be done" in clone.complete("--dry-run")
