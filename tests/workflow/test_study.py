"""A tiny study from the first file to the report, and reruns after a file is deleted or a key is changed."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import ModelCard
from studies import TINY, Study

from bias_amplification.artifacts.schemas import metrics
from helpers import ROOT

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


def test_training_sets_follow_the_strategies(finished):
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


def test_a_shared_generation_has_the_same_files(finished):
    for path in sorted((finished.results / version("balanced_synthetic", 0)).iterdir()):
        if path.name == "README.md":  # a model card names its round
            continue
        copy = finished.results / version("balanced_accumulation", 0) / path.name
        assert copy.read_bytes() == path.read_bytes(), path.name


def test_generations_differ_and_start_from_the_one_before(finished):
    weights = [
        (finished.results / version("balanced_synthetic", g) / "model.safetensors").read_bytes() for g in range(3)
    ]

    assert len(set(weights)) == 3
    parents = [
        json.loads((finished.results / version("balanced_synthetic", g) / "metadata.json").read_text())["initial_model"]
        for g in range(3)
    ]
    assert parents == ["results/base", *(f"results/{version('balanced_synthetic', g)}" for g in range(2))]


def test_figures_tables_and_page_are_complete(finished):
    page = (finished.results / "index.html").read_text()
    for number in range(2, 12):
        name = f"figure_{number}"
        assert (finished.results / "figures" / f"{name}.png").stat().st_size > 5000
        assert f"figures/{name}.png" in page
    for name in ("table_1", "metrics", "neuron_counts", "neuron_overlap", "neuron_calibration", "cleaning"):
        assert (finished.results / "tables" / f"{name}.csv").read_text().count("\n") >= 2
    article_page = (finished.results / "figures" / "article_page.html").read_text()
    assert 'id="data"' in article_page and article_page.count("<script>") == 1


def test_every_model_has_a_card_and_a_deleted_card_is_remade_alone(finished):
    folders = ["base", *(version(name, g) for name in ROUNDS for g in range(3))]
    cards = {f"{folder}/README.md" for folder in folders}
    assert {name for name in finished.times() if Path(name).name == "README.md"} == cards | {"README.md"}
    rows = pq.read_table(finished.results / "metrics.parquet").to_pylist()
    rows = {version(row["round"], row["generation"]): row for row in rows if row["generation"] is not None}
    for folder, row in rows.items():
        results = ModelCard.load(finished.results / folder / "README.md").data.eval_results
        assert {result.metric_type: result.metric_value for result in results}.items() <= row.items()
        assert len(results) >= 4
    written = pq.read_table(finished.results / version("balanced_synthetic", 1) / "articles.parquet").to_pylist()
    texts = [finished.results.joinpath(name).read_text() for name in (*cards, "README.md", "ro-crate-metadata.json")]
    assert not any(article["title"] in text for article in written for text in texts)
    before = finished.checksums("**/README.md")
    (finished.results / version("balanced_synthetic", 1) / "README.md").unlink()

    remade = finished.remade()

    assert remade == cards | {"README.md", "config.yaml", "ro-crate-metadata.json"}
    assert finished.checksums("**/README.md") == before


def test_neuron_counts_are_compared_with_chance(finished):
    overlap = pq.read_table(finished.results / "neurons" / "overlap.parquet").to_pandas()
    sets = pq.read_table(finished.results / "neurons" / "sets.parquet").to_pandas().set_index("measure")

    assert set(overlap["scheme"]) == {"flip_generations", "flip+exchange", "exchange"}
    all_layers = overlap[overlap["layer"].isna() & (overlap["scheme"] == "exchange")].set_index("measure")
    for measure in ("weight", "activation"):
        assert all_layers.loc[measure, ["bias", "quality", "both"]].tolist() == [
            sets.loc[measure, name] for name in ("bias", "quality", "both")
        ]
        assert all_layers.loc[measure, "tested"] == sets.loc[measure, "tested"]
    for name in ("p_value_quantiles", "counts_against_chance", "overlap_against_chance", "layer_map"):
        assert (finished.results / "figures" / f"{name}.png").stat().st_size > 5000


def test_a_finished_study_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.query("--dry-run")


def test_progress_is_shown(finished):
    output = (finished.folder / "first_run.txt").read_text(encoding="utf-8")

    assert "balanced_synthetic, generation 02: fine-tuning" in output
    assert re.search(r"generations written: .*balanced_synthetic 3/3", output)


def test_the_report_has_every_figure(finished):
    finished.query("--report", "report.zip")

    names = zipfile.ZipFile(finished.folder / "report.zip").namelist()
    figures = len(list((finished.results / "figures").glob("*.png")))
    assert sum(name.endswith(".png") for name in names) == figures > 12


def test_deleted_predictions_remake_only_files_computed_from_them(finished):
    before = finished.checksums("rounds/**/*")
    (finished.results / version("balanced_synthetic", 1) / "predictions.parquet").unlink()

    rows = [line.split("\t") for line in finished.query("--summary").splitlines()]
    planned = {row[0].removeprefix("results/") for row in rows if row[-1] == "update pending"}

    chain = {name for name in planned if not name.startswith(("figures/", "tables/", "neurons/"))}
    both = {f"{version('balanced_synthetic', 1)}/{name}.parquet" for name in ("predictions", "predictions_second")}
    # The comparison of rounds reads the first and the last generation only.
    tables = {"metrics", "changes", "replicates/means", "transitions", "event_shares", "comparison"}
    cards = {name for name in finished.times() if Path(name).name == "README.md"}
    described = {"index.html", "config.yaml", "ro-crate-metadata.json", *cards}
    assert chain == both | {f"{name}.parquet" for name in tables} | described
    # The figures of this round read its predictions; those of the theory and the corpus do not.
    assert "figures/figure_3.png" in planned
    assert not {"figures/figure_10.png", "tables/cleaning.csv", "figures/figure_8.png"} & planned
    assert both | {"metrics.parquet"} <= finished.remade("chain", "measures")
    assert finished.checksums("rounds/**/*") == before
    assert "Nothing to be done" in finished.query("--dry-run")


def test_deleted_articles_remake_only_the_later_generations_of_their_round(finished):
    before = finished.checksums()
    (finished.results / version("center_preservation", 1) / "articles.parquet").unlink()

    remade = finished.remade("chain", "measures", "neurons")

    chain = {name for name in remade if name.startswith(("rounds/", "base/", "corpus/", "classifier/", "quality"))}
    scores = ["quality", "perplexity", "diversity", "degeneration"]
    measured = ["articles", "predictions", "predictions_second", *scores]
    last = ["training_log.parquet", "model.safetensors", "config.json", "metadata.json", "neurons.parquet"]
    assert chain == (
        {f"{version('center_preservation', 1)}/{name}.parquet" for name in measured}
        | {f"{version('center_preservation', 2)}/{name}.parquet" for name in measured}
        | {f"{version('center_preservation', 2)}/{name}" for name in last}
    )
    assert finished.checksums() == before


def test_a_deleted_score_remakes_no_articles_and_no_model(finished):
    (finished.results / version("balanced_synthetic", 2) / "quality.parquet").unlink()

    remade = finished.remade("chain", "measures", "neurons")

    assert f"{version('balanced_synthetic', 2)}/quality.parquet" in remade
    assert not any(name.endswith((".safetensors", "articles.parquet", "predictions.parquet")) for name in remade)


def test_one_file_of_a_later_generation_is_remade_from_a_changed_shared_generation(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "study", symlinks=True)
    changed = folder / "changed.yaml"
    changed.write_text("finetuning: {epochs: 1, learning_rate: 0.0001}\n", encoding="utf-8")
    second = f"results/{version('balanced_accumulation', 1)}/model.safetensors"
    before = (folder / second).read_bytes()

    # This file needs only some files of the generation that two rounds share; the others are not copied again.
    Study(folder).finish(second, configs=[TINY, changed])

    assert (folder / second).read_bytes() != before


def documented_changes():
    """Return the rows of the table in the documentation: a change of the config and the rules that it affects."""
    text = (ROOT / "docs" / "running-and-resuming.md").read_text(encoding="utf-8")
    table = text.split("| Key | Rules |\n|---|---|\n")[1].split("\n\n")[0]
    return [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in table.splitlines()]


@pytest.mark.parametrize(("change", "rules"), documented_changes())
def test_a_changed_key_affects_the_documented_rules(finished, change, rules):
    overlay = finished.folder / "change.yaml"
    overlay.write_text(change + "\n", encoding="utf-8")

    output = finished.query("--dry-run", "--quiet", "rules", configs=[TINY, overlay])

    reasons = re.findall(r"(?:params have|set of input files has) changed since last execution:\n +(.+)", output)
    found = {rule for line in reasons for rule in line.split(", ")}
    assert found - {"write_cards"} == (set() if rules == "none" else set(rules.split(", ")))
    # The cards record every key but those of `compute`. They are not reported if they run because of their inputs.
    if rules == "none" and not change.startswith("compute: "):
        assert found <= {"write_cards"}
    elif rules == "none":
        # An earlier test has trained a generation again, and the cards record when that was.
        jobs = {rule for line in re.findall(r"^ {8}(\w.*)$", output, re.MULTILINE) for rule in line.split(", ")}
        assert "Nothing to be done" in output or jobs - {"all", "cards"} == {"write_cards"}
