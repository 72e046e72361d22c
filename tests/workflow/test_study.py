"""A tiny study from nothing to its report, and what a rerun does after a file is gone."""

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from studies import TINY, Study

from bias_amplification.artifacts.schemas import metrics

pytestmark = pytest.mark.slow

LABELS = ["left", "center", "right"]
ROUNDS = ["balanced_synthetic", "balanced_accumulation", "center_preservation"]


def version(name, generation):
    return f"rounds/{name}/generation_{generation:02d}"


def test_every_version_is_measured(finished):
    table = pq.read_table(finished.results / "metrics.parquet")

    assert table.schema.equals(metrics(LABELS))
    rows = [(row["round"], row["generation"]) for row in table.to_pylist()]
    assert rows == [("base", None)] * 2 + [(name, g) for name in ROUNDS for g in range(3)]
    for row in table.to_pylist():
        assert sum(row[f"share_{label}"] for label in LABELS) == pytest.approx(1)
        assert sum(row[f"mean_probability_{label}"] for label in LABELS) == pytest.approx(1)
        assert 0 <= row["text_quality_index_low"] <= row["text_quality_index"] <= 3
        assert row["articles"] == (6 if row["seed_set"] == "center" else 12)


def test_training_sets_are_what_the_strategies_say(finished):
    def origins(name, generation):
        rows = pq.read_table(finished.results / version(name, generation) / "training_set.parquet").to_pylist()
        return [row["origin"] for row in rows]

    assert origins("balanced_synthetic", 0) == ["seed_set"] * 12
    assert origins("balanced_synthetic", 2) == ["generation_01"] * 12
    assert (
        sorted(origins("balanced_accumulation", 2))
        == ["generation_00"] * 12 + ["generation_01"] * 12 + ["seed_set"] * 12
    )
    assert sorted(origins("center_preservation", 1)) == ["generation_00"] * 6 + ["seed_set"]


def test_shared_generation_is_the_same_files(finished):
    for path in sorted((finished.results / version("balanced_synthetic", 0)).iterdir()):
        twin = finished.results / version("balanced_accumulation", 0) / path.name
        assert twin.read_bytes() == path.read_bytes(), path.name


def test_generations_differ_and_descend(finished):
    weights = [
        (finished.results / version("balanced_synthetic", g) / "model.safetensors").read_bytes() for g in range(3)
    ]

    assert len(set(weights)) == 3
    parents = [
        json.loads((finished.results / version("balanced_synthetic", g) / "metadata.json").read_text())["initial_model"]
        for g in range(3)
    ]
    assert parents == ["results/base", *(f"results/{version('balanced_synthetic', g)}" for g in range(2))]


def test_figures_tables_and_page(finished):
    page = (finished.results / "index.html").read_text()
    for number in range(2, 12):
        name = f"figure_{number}"
        assert (finished.results / "figures" / f"{name}.png").stat().st_size > 5000
        assert f"figures/{name}.png" in page
    for name in ("table_1", "metrics", "neuron_counts", "neuron_overlap", "neuron_calibration", "cleaning"):
        assert (finished.results / "tables" / f"{name}.csv").read_text().count("\n") >= 2
    assert "<script" not in (finished.results / "figures" / "article_page.html").read_text()


def test_neurons_are_compared_with_chance(finished):
    overlap = pq.read_table(finished.results / "neurons" / "overlap.parquet").to_pandas()
    sets = pq.read_table(finished.results / "neurons" / "sets.parquet").to_pandas().set_index("measure")

    assert set(overlap["scheme"]) == {"flip+exchange", "exchange", "flip", "shift", "shift+flip+exchange"}
    whole = overlap[overlap["layer"].isna() & (overlap["scheme"] == "shift")].set_index("measure")
    for measure in ("weight", "activation"):
        assert whole.loc[measure, ["bias", "quality", "both"]].tolist() == [
            sets.loc[measure, name] for name in ("bias", "quality", "both")
        ]
        assert whole.loc[measure, "tested"] == sets.loc[measure, "tested"]
    for name in ("p_value_quantiles", "counts_against_chance", "overlap_against_chance", "layer_map"):
        assert (finished.results / "figures" / f"{name}.png").stat().st_size > 5000


def test_finished_study_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.finish("--dry-run")


def test_progress_is_shown(finished):
    assert "balanced_synthetic, generation 02: fine-tuning" in finished.said


def test_report_has_every_figure(finished):
    finished.finish("--report", "report.zip")

    import zipfile

    names = zipfile.ZipFile(finished.folder / "report.zip").namelist()
    assert sum(name.endswith(".png") for name in names) >= 12


def test_deleted_predictions_remake_only_what_is_computed_from_them(finished):
    before = finished.checksums("rounds/**/*")
    (finished.results / version("balanced_synthetic", 1) / "predictions.parquet").unlink()

    remade = finished.remade()

    chain = {name for name in remade if not name.startswith(("figures/", "tables/", "neurons/"))}
    both = {f"{version('balanced_synthetic', 1)}/{name}.parquet" for name in ("predictions", "predictions_second")}
    assert chain == both | {"metrics.parquet", "comparison.parquet", "index.html"}
    # It is one of the tables that the figures of this round read; the theory and the corpus are not concerned.
    assert "figures/figure_3.png" in remade
    assert not {"figures/figure_10.png", "tables/cleaning.csv", "figures/figure_8.png"} & remade
    assert finished.checksums("rounds/**/*") == before


def test_deleted_articles_remake_the_later_generations_of_their_round_only(finished):
    before = finished.checksums()
    (finished.results / version("center_preservation", 1) / "articles.parquet").unlink()

    remade = finished.remade()

    chain = {name for name in remade if name.startswith(("rounds/", "base/", "corpus/", "classifier/", "quality"))}
    measured = ["articles", "predictions", "predictions_second", "quality", "perplexity"]
    last = ["training_log.parquet", "model.safetensors", "config.json", "metadata.json", "neurons.parquet"]
    assert chain == (
        {f"{version('center_preservation', 1)}/{name}.parquet" for name in measured}
        | {f"{version('center_preservation', 2)}/{name}.parquet" for name in measured}
        | {f"{version('center_preservation', 2)}/{name}" for name in last}
    )
    assert finished.checksums() == before


def test_deleted_score_is_cheap(finished):
    (finished.results / version("balanced_synthetic", 2) / "quality.parquet").unlink()

    remade = finished.remade()

    assert not any(name.endswith((".safetensors", "articles.parquet", "predictions.parquet")) for name in remade)


def test_second_run_from_nothing_has_the_same_bytes(finished, fresh):
    # One core, and every job loading its libraries itself: neither may change a byte.
    last = version("balanced_accumulation", 2)
    wanted = [f"results/{last}/{name}.parquet" for name in ("predictions", "quality", "perplexity", "neurons")]
    plain = fresh.folder / "plain.yaml"
    plain.write_text("compute: {warm: false, device: cpu}\n", encoding="utf-8")

    fresh.finish(*wanted, configs=[TINY, plain], cores=1)

    again = {**fresh.checksums(), **fresh.checksums("**/*.safetensors")}
    first = {**finished.checksums(), **finished.checksums("**/*.safetensors")}
    assert len(again) > 20
    assert again == {name: first[name] for name in again}
    shutil.rmtree(fresh.results)


def test_a_later_generation_alone_is_made_anew_from_a_shared_one_that_changed(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "study", symlinks=True)
    changed = folder / "changed.yaml"
    changed.write_text("finetuning: {epochs: 1, learning_rate: 0.0001}\n", encoding="utf-8")
    second = f"results/{version('balanced_accumulation', 1)}/model.safetensors"
    before = (folder / second).read_bytes()

    # Not everything of the generation that two rounds share is copied again for this one file.
    Study(folder).finish(second, configs=[TINY, changed])

    assert (folder / second).read_bytes() != before


def keys_of_the_docs():
    rows = []
    for name in ("faults.md", "protocol.md"):
        text = (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")
        table = text.split("| Key | Rules |\n|---|---|\n")[1].split("\n\n")[0]
        rows += [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in table.splitlines()]
    return rows


@pytest.mark.parametrize(("change", "rules"), keys_of_the_docs())
def test_a_changed_key_touches_what_the_docs_say(finished, change, rules):
    overlay = finished.folder / "change.yaml"
    overlay.write_text(change + "\n", encoding="utf-8")

    said = finished.finish("--dry-run", "--quiet", "rules", configs=[TINY, overlay])

    reasons = re.findall(r"(?:params have|set of input files has) changed since last execution:\n +(.+)", said)
    assert {rule for line in reasons for rule in line.split(", ")} == (
        set() if rules == "none" else set(rules.split(", "))
    )
    if rules == "none":
        assert "Nothing to be done" in said
