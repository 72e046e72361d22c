"""Studies that do not keep all weights: they have the same tables, and a rerun remakes only what it must."""

import shutil
from pathlib import Path

import pytest
from studies import TINY, Study

pytestmark = pytest.mark.slow

SECOND = "rounds/balanced_synthetic/generation_01"
#: With `storage.weights: 2`, every second generation keeps its weights.
KEPT = (0, 2)


class StudyWithoutWeights(Study):
    """A tiny study up to the table of all measures. It keeps the weights of some generations."""

    targets = ("chain", "measures")

    @property
    def configs(self) -> list[Path]:
        return [TINY, self.folder / "storage.yaml"]


@pytest.fixture(scope="module")
def without_weights(finished, tmp_path_factory) -> StudyWithoutWeights:
    """A study whose rounds were run with `storage.weights` set."""
    folder = tmp_path_factory.mktemp("storage") / "study"
    shutil.copytree(finished.folder, folder, symlinks=True)
    study = StudyWithoutWeights(folder)
    (folder / "storage.yaml").write_text("storage: {weights: 2}\n", encoding="utf-8")
    shutil.rmtree(study.results / "rounds")
    (study.results / "metrics.parquet").unlink()
    study.finish()
    return study


def weights(study: Study) -> set[str]:
    return {str(path.relative_to(study.results)) for path in study.results.glob("rounds/**/*.safetensors")}


def test_tables_are_those_of_a_study_that_keeps_all_weights(finished, without_weights):
    assert weights(without_weights) == {
        name for name in weights(finished) if int(name.split("generation_")[1].split("/")[0]) in KEPT
    }
    tables, all_tables = without_weights.checksums(), finished.checksums()
    assert len([name for name in tables if name.startswith("rounds/")]) == 9 * 10
    assert "metrics.parquet" in tables
    assert tables == {name: all_tables[name] for name in tables}
    assert not list(without_weights.results.rglob(".*"))


def test_a_file_that_needs_no_weights_is_remade_alone(without_weights):
    (without_weights.results / SECOND / "predictions.parquet").unlink()

    both = {f"{SECOND}/{name}.parquet" for name in ("predictions", "predictions_second")}
    assert without_weights.remade() == both | {
        "metrics.parquet",
        "changes.parquet",
        "transitions.parquet",
        "event_shares.parquet",
    }


def test_a_file_that_needs_weights_is_remade_from_the_last_kept_generation(without_weights):
    before = without_weights.checksums()
    (without_weights.results / SECOND / "neurons.parquet").unlink()

    for_the_file = without_weights.remade(targets=[f"results/{SECOND}/neurons.parquet"])
    afterwards = without_weights.remade()

    trained = {f"{SECOND}/{name}" for name in ("training_log.parquet", "config.json", "metadata.json")}
    assert for_the_file == trained | {f"{SECOND}/neurons.parquet"}
    assert afterwards == set()
    assert without_weights.checksums() == before
    assert not weights(without_weights) & {f"{SECOND}/model.safetensors"}
