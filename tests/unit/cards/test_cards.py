"""Cards and the RO-Crate of a small study: numbers equal the tables, and no name breaks a page."""

import copy
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from rocrate.rocrate import ROCrate

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.provenance import checksum
from bias_amplification.artifacts.schemas import ARTICLES, changes, metrics
from bias_amplification.cards import MAIN_OUTPUTS, card_folders, model_folders, recorded_config
from bias_amplification.cards.markdown import code, table
from bias_amplification.cards.model_card import measures
from bias_amplification.cards.write import CardTables, Described, write_cards
from bias_amplification.study import Plan, read_study
from helpers import ROOT, merge

EMBEDDED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
#: A label that YAML takes for a number, one that it takes for a truth value, and a language of the same kind.
LABELS = ["1e5", "no", "left"]
SMALL = merge(
    EMBEDDED,
    {
        "name": "on",
        "generations": 3,
        "corpus": {"labels": LABELS, "language": "no", "unit": "diary entry"},
        "seed_sets": [{"name": "yes", "labels": LABELS, "size": 3}],
        "base_model": {"pretraining": {"label_mix": {"left": 0.25, "center": None, "right": None, "no": 0.75}}},
        "rounds": [
            {"name": "null", "seed_set": "yes", "strategy": "synthetic", "tracked_label": "no"},
            {"name": "A-b_c.d_", "seed_set": "yes", "strategy": "preservation", "tracked_label": "1e5"},
        ],
        "storage": {"weights": 2},
    },
)
SECRET = "Senator Vorhees denies everything"


def values(schema: pa.Schema, key: dict[str, Any], salt: int) -> dict[str, Any]:
    """Return a row with another number in each column that is no key; every seventh number is missing."""
    row = {}
    for position, field in enumerate(schema):
        number = (salt * 7919 + position * 104729) % 10007
        if pa.types.is_integer(field.type):
            row[field.name] = number
        elif pa.types.is_floating(field.type):
            row[field.name] = None if field.nullable and number % 7 == 0 else number / 9973
        else:
            row[field.name] = "text"
    return row | key


def make_run(folder: Path, config: dict[str, Any]) -> SimpleNamespace:
    """Write the files that cards are made from, with arbitrary numbers, and return the arguments of the job."""
    study = read_study(config)
    plan = Plan(study)
    results, labels = folder / "results", study.corpus.labels
    for name in MAIN_OUTPUTS:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(name.encode())
    keys = [{name: value for name, value in row.items() if name not in ("folder", "draw")} for row in plan.measured()]
    rows = [values(metrics(labels), key, salt) for salt, key in enumerate(keys)]
    write_table(pa.Table.from_pylist(rows, metrics(labels)), results / "metrics.parquet", metrics(labels))
    wanted = [
        {name: key[name] for name in ("round", "replicate", "generation")} for key in keys if key["round"] != "base"
    ]
    changed = [values(changes(labels), key, 100 + salt) for salt, key in enumerate(wanted)]
    write_table(pa.Table.from_pylist(changed, changes(labels)), results / "changes.parquet", changes(labels))
    articles = [
        {field.name: SECRET if field.type == pa.string() else None for field in ARTICLES}
        | {"article_id": str(number), "label": labels[number % 2]}
        for number in range(5)
    ]
    (results / "corpus").mkdir()
    write_table(pa.Table.from_pylist(articles, ARTICLES), results / "corpus" / "articles.parquet", ARTICLES)
    scores = results / "classifier" / "selected" / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text(json.dumps({"split": "random", "validation": {"macro_f1": 0.5}, "test": {"macro_f1": 0.6254}}))
    folders = card_folders(plan)
    for number, name in enumerate(model_folders(plan)):
        (results / name).mkdir(parents=True, exist_ok=True)
        facts = {
            "finished": f"2026-01-{1 + number:02d}T10:00:00Z", "commit": "c" * 40, "libraries": {"torch": "9.9"},
            "checksums": {"model.safetensors": "f" * 64}, "articles": 2816, "texts": 1200 + number,
            "training": {"steps": 14, "tokens": 20352, "seconds": 90.5, "device": "cpu"},
        }  # fmt: skip
        (results / name / "metadata.json").write_text(json.dumps(facts))
    arguments = {
        "metadata": [results / name / "metadata.json" for name in model_folders(plan)],
        "tables": CardTables(
            results / "metrics.parquet", results / "changes.parquet", results / "corpus" / "articles.parquet", [scores]
        ),
        "cards": [results / name / "README.md" for name in folders],
        "out": Described(results / "README.md", results / "config.yaml", results / "ro-crate-metadata.json"),
        "config": recorded_config(study),
    }
    return SimpleNamespace(plan=plan, results=results, rows=rows, changes=changed, arguments=arguments, folders=folders)


@pytest.fixture
def run(tmp_path: Path) -> SimpleNamespace:
    made = make_run(tmp_path, SMALL)
    write_cards(**made.arguments)
    return made


def cells(text: str, first: str) -> list[list[str]]:
    """Return the rows of the Markdown tables in a text whose first column has this heading."""
    found, inside = [], False
    for line in text.splitlines():
        parts = [cell.strip() for cell in line.strip("|").split(" | ")]
        inside = line.startswith("|") and (inside or parts[0] == first)
        if inside and parts[0] not in (first, "---"):
            found.append(parts)
    return found


def test_kept_models_have_cards(run: SimpleNamespace) -> None:
    versions = [f"rounds/{name}/generation_{number:02d}" for name in ("null", "A-b_c.d_") for number in (0, 2)]

    assert run.folders == ["base", *versions]
    found = {path.relative_to(run.results).parent.as_posix() for path in run.results.rglob("README.md")}
    assert found == {".", "base", *versions}


def test_numbers_of_model_cards_are_those_of_the_tables(run: SimpleNamespace) -> None:
    shown = measures(LABELS, "diary entry")
    assert shown["share_no"] == "share of diary entries labelled no"
    for version in (version for version in run.plan.versions() if version.folder in run.folders):
        key = {"round": version.round, "replicate": 1, "generation": version.generation}
        [row] = [row for row in run.rows if key.items() <= row.items()]
        [change] = [row for row in run.changes if key.items() <= row.items()]
        card = ModelCard.load(run.results / version.folder / "README.md")

        results = {result.metric_type: result.metric_value for result in card.data.eval_results}
        assert results == {name: row[name] for name in shown if row[name] is not None}
        assert {result.dataset_type for result in card.data.eval_results} == {"on/yes"}
        assert card.data.model_name == f"on, {version.round}, generation {version.generation}"
        lines = {words: numbers for words, *numbers in cells(card.text, "Measure")}
        for name, words in shown.items():
            expected = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
            expected += [change[name], change[f"{name}_low"], change[f"{name}_high"]]
            assert read(lines[words]) == pytest.approx(written(expected), rel=1e-3), (version, name)


def read(numbers: list[str]) -> list[float]:
    """Return the numbers of a row: two values, each with the ends of its interval, without missing ones."""
    return [float(number) for cell in numbers for number in cell.split(" to ") if number != "–"]


def written(numbers: list[float | None]) -> list[float]:
    """Return the numbers that a row shows: an interval with a missing end is not shown."""
    found = []
    for value, low, high in (numbers[:3], numbers[3:]):
        found += [value] if value is not None else []
        found += [low, high] if low is not None and high is not None else []
    return found


def test_the_head_says_what_the_model_is(run: SimpleNamespace) -> None:
    card = ModelCard.load(run.results / "rounds" / "A-b_c.d_" / "generation_02" / "README.md")

    assert (card.data.language, card.data.library_name, card.data.license) == ("no", "transformers", "unknown")
    assert card.data.base_model is None
    lines = dict(cells(card.text, "Setting"))
    assert lines["training texts"] == "1,206" and lines["strategy"] == "`preservation`"
    assert lines["training texts may be from"] == "`seed_set`, `generation_01`"
    assert lines["starts from"] == "generation 1" and lines["tokens"] == "20,352"
    assert "**Not chosen yet.**" in card.text
    assert "0.625 on a split at random" in card.text
    assert "2,816 diary entries (25% `left`, 75% `no`)" in card.text


def test_a_model_of_the_hub_is_named_in_the_head(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    odd = "owner/No: *name* `x` | #1"
    config["base_model"] = {"source": "hub", "hub_id": odd, "revision": "a" * 40}
    made = make_run(tmp_path, config)

    write_cards(**made.arguments)

    card = ModelCard.load(made.results / "rounds" / "null" / "generation_00" / "README.md")
    assert card.data.base_model == odd
    assert f"`` {odd} ``" in card.text or f"``{odd}``" in card.text
    assert made.folders[0] != "base"


def test_a_given_model_is_called_a_copy_of_its_source(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    config["rounds"][0]["models"] = [
        {"source": "hub", "hub_id": f"owner/generation-{number}", "revision": "b" * 40} for number in range(3)
    ]
    made = make_run(tmp_path, config)

    write_cards(**made.arguments)

    card = ModelCard.load(made.results / "rounds" / "null" / "generation_02" / "README.md")
    assert card.data.base_model == "owner/generation-2"
    assert "The study did not train this version" in card.text
    assert cells(card.text, "Setting") == []


def test_names_that_are_words_of_the_prose_stay(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL) | {"name": "articles"}
    config["corpus"]["unit"] = "news article"
    config["seed_sets"][0]["name"] = config["rounds"][0]["seed_set"] = config["rounds"][1]["seed_set"] = "article"
    made = make_run(tmp_path, config)

    write_cards(**made.arguments)

    text = (made.results / "rounds" / "null" / "generation_00" / "README.md").read_text(encoding="utf-8")
    assert " news articles for the seed set `article`, with greedy decoding. " in text
    assert "Its macro F1 on real news articles is 0.625" in text
    for path in made.arguments["cards"] + [made.arguments["out"].card]:
        assert "news news" not in path.read_text(encoding="utf-8")


def test_an_adapter_is_said_to_be_one(tmp_path: Path) -> None:
    made = make_run(tmp_path, merge(SMALL, {"finetuning": {"adapter": {"rank": 4, "alpha": 8.5}}}))

    write_cards(**made.arguments)

    text = (made.results / "rounds" / "null" / "generation_02" / "README.md").read_text(encoding="utf-8")
    assert dict(cells(text, "Setting"))["trained weights"] == (
        "an adapter (LoRA) of rank 4 and alpha 8.5, added to the weights"
    )


def test_the_base_models_card_says_that_its_own_folder_is_whole(run: SimpleNamespace) -> None:
    base, version = (
        (run.results / name / "README.md").read_text(encoding="utf-8").split("## Use")[1]
        for name in ("base", "rounds/null/generation_00")
    )

    assert "which are beside this card" in base and "`base/`" not in base
    assert "one folder with `tokenizer.json`" in version and "`base/`" in version


def test_the_dataset_card_lists_where_texts_of_others_are(tmp_path: Path) -> None:
    corpus = {"source": "table", "path": "articles.csv"}
    made = make_run(tmp_path, merge(SMALL, {"corpus": corpus, "base_model": {"source": "folder", "path": "gpt"}}))

    write_cards(**made.arguments)

    limits = made.arguments["out"].card.read_text(encoding="utf-8").split("## Limits")[1]
    for place in ("`corpus/`", "`figures/article_page.html`", "`articles.parquet`", "`human_likeness/`"):
        assert place in limits
    assert "`replicates/contrasts.parquet` has intervals" in limits and "`neurons/calibration.parquet`" in limits


def test_a_folder_is_named_without_its_path(tmp_path: Path) -> None:
    made = make_run(tmp_path, merge(SMALL, {"base_model": {"source": "folder", "path": "/home/someone/secret/gpt"}}))

    write_cards(**made.arguments)

    text = (made.results / "rounds" / "null" / "generation_00" / "README.md").read_text(encoding="utf-8")
    assert "from the local folder `gpt`" in text and "f" * 64 in text and "someone" not in text


def test_the_dataset_card_has_the_rounds_and_the_corpus(run: SimpleNamespace) -> None:
    card = DatasetCard.load(run.results / "README.md")

    assert card.data.language == "no" and card.data.pretty_name == "Bias amplification: study on"
    assert [c["config_name"] for c in card.data.configs if c.get("default")] == ["metrics"]
    lines = cells(card.text, "Round")
    assert [line[0] for line in lines] == ["`null`", "`A-b_c.d_`"]
    for line, (name, label) in zip(lines, [("null", "no"), ("A-b_c.d_", "1e5")], strict=True):
        ends = [next(r for r in run.rows if r["round"] == name and r["generation"] == number) for number in (0, 2)]
        expected = [end[column] for column in (f"share_{label}", "text_quality_index") for end in ends]
        shown = [None if cell == "–" else float(cell) for cell in line[6:]]
        assert shown == [None if value is None else pytest.approx(value, rel=1e-3) for value in expected]
    assert dict(cells(card.text, "Label")) == {"`1e5`": "3", "`no`": "2", "`left`": "0"}
    assert f"have {sum(row['articles'] for row in run.rows):,} diary entries in all" in card.text


def test_no_text_of_an_article_is_in_what_is_written(run: SimpleNamespace) -> None:
    made = [*run.arguments["cards"], *run.arguments["out"]]

    assert [path for path in made if SECRET.split()[1] in path.read_text(encoding="utf-8")] == []


def test_the_crate_lists_the_outputs_and_how_they_were_made(run: SimpleNamespace) -> None:
    graph = json.loads((run.results / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    entities = {entity["@id"]: entity for entity in graph}

    action = entities["#run"]
    assert action["@type"] == "CreateAction"
    # The base model's training of 90 seconds ended at 10:00 on the first day, the last model's on the seventh.
    assert (action["startTime"], action["endTime"]) == ("2026-01-01T09:58:30Z", "2026-01-07T10:00:00Z")
    assert [part["@id"] for part in made_list(action["object"])] == ["config.yaml"]
    results = {part["@id"] for part in action["result"]}
    assert {*MAIN_OUTPUTS, "README.md"} <= results
    for name in MAIN_OUTPUTS:
        assert entities[name]["contentSize"] == str((run.results / name).stat().st_size)
    workflow = entities[made_list(action["instrument"])[0]["@id"]]
    # The profile wants one of version and softwareVersion.
    assert "version" not in workflow and workflow["identifier"] == [f"git commit {'c' * 40}"]
    assert {"@id": "#torch-9.9"} in workflow["softwareRequirements"]
    profile = entities[entities["./"]["conformsTo"]["@id"]]
    assert (profile["name"], profile["version"]) == ("Process Run Crate", "0.5")
    assert {part["@id"] for part in entities["./"]["hasPart"]} >= {*MAIN_OUTPUTS, "rounds/", "corpus/"}


def test_the_crate_is_read_back_and_every_part_exists(run: SimpleNamespace) -> None:
    crate = ROCrate(run.results)

    named = {entity.id for entity in crate.data_entities}
    assert {"index.html", "README.md", "config.yaml", "rounds/"} <= named
    assert [name for name in named if not (run.results / name).exists()] == []
    assert crate.mainEntity is None and crate.root_dataset["mentions"]["instrument"]["name"] == "bias-amplification"
    for entity in crate.get_by_type("File"):
        path = run.results / entity.id
        assert (int(entity["contentSize"]), entity["sha256"]) == (path.stat().st_size, checksum(path)), entity.id


def test_the_crate_has_the_times_of_models_whose_weights_are_removed(tmp_path: Path) -> None:
    made = make_run(tmp_path, SMALL | {"storage": {"weights": "none"}})
    write_cards(**made.arguments)

    graph = json.loads((made.results / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    [action] = [entity for entity in graph if entity["@id"] == "#run"]
    # Only the pretrained base model has a card.
    assert made.folders == ["base"]
    last = len(model_folders(made.plan))
    assert last > 2 and action["endTime"] == f"2026-01-0{last}T10:00:00Z"


def made_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", ["config", "paper", "authors", "replicates", "sexism", "gender", "smollm2"])
def test_the_recorded_config_is_the_study_again(name: str) -> None:
    overlay = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    study = read_study(merge(EMBEDDED, overlay))

    text = yaml.safe_dump(recorded_config(study))

    again = read_study(merge(EMBEDDED, yaml.safe_load(text)))
    assert again.model_dump(exclude={"compute"}) == study.model_dump(exclude={"compute"})


def test_cards_of_replicates_have_the_numbers_of_their_own_replicate(tmp_path: Path) -> None:
    made = make_run(tmp_path, merge(SMALL, {"replicates": {"number": 2}}))
    write_cards(**made.arguments)

    folder = "rounds/null/replicate_02/generation_02"
    card = ModelCard.load(made.results / folder / "README.md")
    [row] = [row for row in made.rows if (row["round"], row["replicate"], row["generation"]) == ("null", 2, 2)]
    assert {result.dataset_name for result in card.data.eval_results} == {
        "diary entries written for seed set yes, replicate 2"
    }
    assert {r.metric_type: r.metric_value for r in card.data.eval_results}["share_no"] == row["share_no"]
    lines = cells(made.arguments["out"].card.read_text(encoding="utf-8"), "Round")
    assert [line[:2] for line in lines] == [["`null`", "1"], ["`null`", "2"], ["`A-b_c.d_`", "1"], ["`A-b_c.d_`", "2"]]


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"finished": 5}', '{"finished": "yesterday"}'])
def test_a_damaged_metadata_file_is_named(tmp_path: Path, content: str) -> None:
    made = make_run(tmp_path, SMALL)
    damaged = made.arguments["metadata"][2]
    damaged.write_text(content)

    with pytest.raises(
        StudyError, match=rf"^{re.escape(str(damaged))} is damaged .*: delete it and run snakemake again"
    ):
        write_cards(**made.arguments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a_b", "`a_b`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a\nb", "`a b`"), ("<b>", "`<b>`"), ("", "` `")],
)
def test_a_code_span_holds_any_text(text: str, expected: str) -> None:
    assert code(text) == expected


def test_a_table_escapes_its_separator() -> None:
    assert table(["a", "b"], [[code("x|y"), None]]) == "| a | b |\n| --- | --- |\n| `x\\|y` | – |"
