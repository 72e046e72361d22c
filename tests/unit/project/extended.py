"""Uses what docs/extending.md adds, in a copy of the project, and prints what comes out of it as JSON.

Run it as ``python extended.py CONFIG``, with the copy's ``src`` on the path, in a folder for its files. CONFIG is a
study as JSON, with the rounds and the options of the page.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, TRAINING_SET, metrics
from bias_amplification.corpus.sources import read_source
from bias_amplification.figures.catalogue import catalogue
from bias_amplification.measures.article_measures import MEASURES
from bias_amplification.measures.diversity import Diversity, SelectedEncoder, diversity_columns, measure_diversity
from bias_amplification.measures.encoders import obtain_encoder, write_encoder
from bias_amplification.neurons.extract import neuron_table
from bias_amplification.study import Plan, Version, read_study
from bias_amplification.study.sections import Classifier, Corpus, Encoder, JobCompute
from bias_amplification.study.training_sets import Evidence, compose_training_set

#: What generation 0 wrote, by article. Words of 1 to 4 letters; the last text has no word.
TEXTS = {"a": "bb bb", "b": "cccc cccc cccc", "c": "d", "d": "", "e": "aaa aaa aaa", "f": "bb bb bb bb bb bb"}


def training_sets(plan: Plan) -> dict[str, list]:
    """Compose the training set of each round's generation 1, from the inputs that the plan names for it."""
    found = {}
    for name, r in plan.rounds.items():
        version = Version(name, 1)
        seed_set, evidence = plan.seed_set_file(version), plan.evidence(version)
        rows = [{"article_id": key, "title": key, "body": key, "label": "left"} for key in TEXTS]
        write_table(pa.Table.from_pylist(rows, ARTICLES), seed_set, ARTICLES)
        write_table(written(), evidence["articles"], GENERATED_ARTICLES)
        tables = Evidence(evidence, plan.study.corpus.labels)
        compose_training_set(seed_set, "set.parquet", r.strategy, 1, plan.options(r), 5, tables)
        rows = read_table("set.parquet", TRAINING_SET).to_pylist()
        sources = plan.training_sources(version)
        found[name] = {
            "texts": [(row["origin"], row["article_id"]) for row in rows],
            "from": [Path(sources[row["origin"]]).name for row in rows],
            "options": plan.strategy_options(version),
        }
    return found


def written() -> pa.Table:
    """Return the texts as a model's articles."""
    rows = [{"article_id": key, "title": key, "text": text} for key, text in TEXTS.items()]
    others = {field.name: "" if pa.types.is_string(field.type) else 1 for field in GENERATED_ARTICLES}
    return pa.Table.from_pylist([others | row for row in rows], GENERATED_ARTICLES)


def measured(plan: Plan) -> dict:
    """Measure the texts, and look for the measure among the columns of the metrics and the panels of the figure."""
    labels = ("left", "right")
    texts = [*TEXTS.values()]
    encoder = obtain_encoder(Encoder(layers=1, width=16, heads=2, vocabulary=300), texts, labels, 16, seed=1, key="k")
    write_encoder(encoder, Path("encoder"), {"validation": {"macro_f1": 1.0}}, {})
    write_table(written(), "articles.parquet", GENERATED_ARTICLES)
    chosen, classifier, compute = (
        SelectedEncoder("encoder", labels),
        Classifier(max_tokens=16),
        JobCompute(device="cpu"),
    )
    measure_diversity("articles.parquet", chosen, "out.parquet", Diversity(), classifier, 1, compute)
    columns = diversity_columns("out.parquet")
    module = import_module(f"bias_amplification.{catalogue(plan)['diversity'].function.split(':')[0]}")
    dicts = [value for value in vars(module).values() if isinstance(value, dict)]
    [title] = [panels["word_length"] for panels in dicts if isinstance(panels.get("word_length"), str)]
    return {
        "columns": {name: columns[name] for name in metrics(labels).names if name.startswith("word_length")},
        "panel": title,
        "measures": list(MEASURES),
    }


def read_lines(study: dict) -> list:
    """Read a file of the new source, and list the splits of a study of it."""
    Path("articles.txt").write_text("L\tFirst text.\nno label\nR\tSecond\u2028text.\n", encoding="utf-8")
    label_map = {"L": "left", "R": "right"}
    corpus = Corpus(source="lines", path="articles.txt", label_map=label_map, labels=["left", "right"])
    articles, findings = read_source(corpus, 0, Path("downloads"))
    rows = [(row["article_id"], row["label"], row["body"]) for row in articles.to_pylist()]
    splits = Plan(read_study(study | {"corpus": {"source": "lines", "path": "articles.txt"}})).splits
    return [rows, [finding.finding for finding in findings if not finding.kept], splits]


def neurons() -> dict:
    """Extract the neurons of a small model with random weights, and compute one of them in a plain way."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = AutoConfig.for_model(
        "starcoder2", **sizes, num_key_value_heads=1, vocab_size=40, bos_token_id=0, eos_token_id=0
    )
    model, outputs = AutoModelForCausalLM.from_config(config).eval(), []
    table = neuron_table(model, [[3, 5, 7, 9]], batch_tokens=64).to_pandas()
    model.model.layers[1].mlp.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        model(input_ids=torch.tensor([[3, 5, 7, 9]]))
    neuron = table[(table["layer"] == 1) & (table["neuron"] == 3)].iloc[0]
    expected = [model.model.layers[1].mlp.c_proj.weight[3].mean().item(), outputs[0][0, :, 3].mean().item()]
    return {"number": len(table), "found": [neuron["weight_mean"], neuron["activation_ffn"]], "expected": expected}


if __name__ == "__main__":
    study = json.loads(sys.argv[1])
    plan = Plan(read_study(study))
    print(
        json.dumps(
            {"sets": training_sets(plan), "measured": measured(plan), "lines": read_lines(study), "neurons": neurons()}
        )
    )
