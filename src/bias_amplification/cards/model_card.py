"""The model card of one model: the base model that a run has pretrained, or a version."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_amplification.cards.markdown import (
    CITATION_SECTION,
    LICENSE,
    LICENSE_SECTION,
    code,
    codes,
    interval,
    number,
    table,
)
from bias_amplification.study import Plan, Version
from bias_amplification.study.sections import Adapter, ModelSource
from bias_amplification.study.training_sets import origins
from bias_amplification.study.unit import plural, with_unit

Row = Mapping[str, Any]

_TAGS = ["bias-amplification", "model-collapse", "synthetic-data"]


def measures(labels: Sequence[str], unit: str) -> dict[str, str]:
    """Return the columns of the metrics that cards show, with their names for readers."""
    texts = plural(unit)
    return {f"share_{label}": f"share of {texts} labelled {label}" for label in labels} | {
        "readable": f"share of readable {texts}",
        "text_quality_index": "text quality index (3: clean, 0: noise)",
        "perplexity_base": f"perplexity of the {texts} under the base model",
        "perplexity_generating": f"perplexity of the {texts} under this model",
    }


def model_card(
    plan: Plan,
    version: Version | None,
    facts: Row,
    rows: Sequence[Row],
    changes: Row | None,
    reliability: str,
    *,
    base: Row,
) -> str:
    """Return the model card of one model, in the format of the Hugging Face hub.

    Parameters
    ----------
    plan
        The study's versions.
    version
        The version; None for the base model.
    facts
        The model's `metadata.json`.
    rows
        Its rows of the metrics table: one for a version, one for each draw of a seed set for the base model.
    changes
        The version's row of the table of changes; None if it has none.
    reliability
        How reliable the classifier is, in a sentence.
    base
        The base model's `metadata.json`.

    Returns
    -------
    str
        The YAML head and the body.
    """
    shown = measures(plan.study.corpus.labels, plan.study.corpus.unit)
    body = [
        f"# {code(_name(plan, version))}\n\n{_introduction(plan, version)}",
        f"## Base model\n\n{_base_in_words(plan, version, base)}",
        f"## Training\n\n{_training(plan, version, facts)}",
        f"## Evaluation\n\n{_evaluation(shown, rows, changes, plan.study.corpus.unit)}",
        f"## Limits\n\n{_limits(plan, reliability)}",
        LICENSE_SECTION,
        f"## Use\n\n{_USE_OF_BASE if version is None else _USE}",
        CITATION_SECTION,
    ]
    return f"---\n{_head(plan, version, shown, rows)}\n---\n\n" + "\n\n".join(part.strip() for part in body) + "\n"


def _head(plan: Plan, version: Version | None, shown: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Return the YAML head, with the measures as the results of an evaluation."""
    from huggingface_hub import EvalResult, ModelCardData

    study, texts = plan.study, plural(plan.study.corpus.unit)
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=f"{study.name}/{row['seed_set']}",
            dataset_name=f"{texts} written for seed set {row['seed_set']}, replicate {row['replicate']}",
            metric_type=column,
            metric_name=words,
            metric_value=row[column],
        )
        for row in rows
        for column, words in shown.items()
        if row[column] is not None
    ]
    source = _source(plan, version)
    head = ModelCardData(
        base_model=source.hub_id if source.source == "hub" else None,
        language=study.corpus.language,
        library_name="transformers",
        license=LICENSE,
        pipeline_tag="text-generation",
        tags=_TAGS,
        model_name=_name(plan, version) if results else None,
        eval_results=results or None,
    )
    return head.to_yaml().strip()


_USE = """\
Put the files `model.safetensors` and `config.json` of this folder into one folder with `tokenizer.json` and
`tokenizer_config.json` of the base model (in the run's folder `base/`). `transformers` then loads the folder.
"""
_USE_OF_BASE = """\
`transformers` loads a folder with the files `model.safetensors`, `config.json`, `tokenizer.json` and
`tokenizer_config.json`, which are beside this card.
"""


def _name(plan: Plan, version: Version | None) -> str:
    if version is None:
        return f"{plan.study.name}, base model"
    replicate = f", replicate {version.replicate}" if plan.replicates(version.round) > 1 else ""
    return f"{plan.study.name}, {version.round}{replicate}, generation {version.generation}"


def _source(plan: Plan, version: Version | None) -> ModelSource:
    """Return where the model comes from: the base model, or for a given version its own source."""
    if version is not None and version.round in plan.given:
        return plan.given_model(version)
    return plan.study.base_model


def _introduction(plan: Plan, version: Version | None) -> str:
    name = code(plan.study.name)
    if version is None:
        return f"The base model of the study {name}: a small language model before any fine-tuning."
    text = (
        f"A model version of the study {name}, in which language models are trained again and again on what they write "
        f"themselves. The study measures how the bias and the quality of the {plural(plan.study.corpus.unit)} change."
    )
    if version.round in plan.given:
        text += " The study did not train this version: it is a copy of a given model, which the study measured."
    return text


def _base_in_words(plan: Plan, version: Version | None, base: Row) -> str:
    """Say which model the training started from, without naming a local folder's whole path."""
    source = _source(plan, version)
    if source.source == "hub":
        return f"{code(source.hub_id)} of the Hugging Face hub, commit {code(source.revision)}."
    weights = base.get("checksums", {}).get("model.safetensors")
    digest = f" The SHA-256 of its weights is {code(weights)}." if weights else ""
    if source.source == "folder":
        digest = "" if version is not None and version.round in plan.given else digest
        return f"A model from the local folder {code(Path(source.path).name)}.{digest}"
    settings = plan.study.base_model.pretraining
    mix = {label: share for label, share in settings.label_mix.items() if share}
    shares = ", ".join(f"{share / sum(mix.values()):.0%} {code(label)}" for label, share in mix.items())
    texts, training = f"{number(base['articles'])} {plural(plan.study.corpus.unit)}", base["training"]
    return (
        f"A GPT-2 of {settings.layers} layers and width {settings.width}, pretrained by the study itself on {texts} "
        f"({shares}) in {number(training['steps'])} steps, {number(training['tokens'])} tokens.{digest}"
    )


def _training(plan: Plan, version: Version | None, facts: Row) -> str:
    """Return what the model was trained on and how, as a table."""
    study, training = plan.study, facts.get("training", {})
    rows: list[tuple[str, object]] = []
    if version is None:
        settings: Any = study.base_model.pretraining
    elif version.round in plan.given:
        return "Not trained by the study."
    else:
        r, settings = plan.rounds[version.round], plan.finetuning(version.round)
        texts = origins(r.strategy, version.generation, plan.options(r))
        continues = version.generation and settings.initialisation != "base"
        seeds = plan.seed_sets[r.seed_set]
        rows = [
            ("corpus", code(study.corpus.source)),
            ("seed set", f"{code(seeds.name)} (labels {codes(seeds.labels)})"),
            ("strategy", code(r.strategy)),
            ("training texts may be from", codes(texts)),
            ("training texts", number(facts.get("texts"))),
            ("examples", number(facts.get("examples"))),
            ("starts from", f"generation {version.generation - 1}" if continues else "the base model"),
            ("neurons held", "yes" if r.held and version.generation else None),
            ("trained weights", _adapter_in_words(settings.adapter)),
        ]
        made_as = facts.get("made_as")
        if made_as and not made_as.startswith(version.folder + "/"):
            rows.append(("trained once for several rounds, as", code(Path(made_as).parent)))
    rows += [
        ("epochs", settings.epochs),
        ("batch size", settings.batch_size),
        ("peak learning rate", number(settings.learning_rate)),
        ("weight decay", number(settings.weight_decay)),
        ("steps", number(training.get("steps"))),
        ("tokens", number(training.get("tokens"))),
        ("precision", training.get("precision")),
        ("device", training.get("device")),
        ("seed", facts.get("seed")),
        ("libraries", ", ".join(f"{key} {value}" for key, value in sorted(facts.get("libraries", {}).items())) or None),
        ("commit of the workflow", facts.get("commit") and code(facts["commit"])),
    ]
    return table(["Setting", "Value"], [row for row in rows if row[1] is not None])


def _adapter_in_words(adapter: Adapter | None) -> str | None:
    """Say that an adapter was trained, with its size; None if all weights were trained."""
    if adapter is None:
        return None
    return f"an adapter (LoRA) of rank {adapter.rank} and alpha {number(adapter.alpha)}, added to the weights"


def _evaluation(shown: Mapping[str, str], rows: Sequence[Row], changes: Row | None, unit: str) -> str:
    """Return the measures of the articles that the model wrote, as tables: one for each row of the metrics."""
    parts = []
    for row in rows:
        lines = []
        for column, words in shown.items():
            line = [words, number(row[column]), interval(row[f"{column}_low"], row[f"{column}_high"])]
            if changes is not None:
                ends = interval(changes[f"{column}_low"], changes[f"{column}_high"])
                line += [number(changes[column]), ends]
            lines.append(line)
        columns = ["Measure", "Value", "95% interval"]
        start = "generation 0" if row["generation"] else "the base model"
        columns += [f"Change from {start}", "95% interval"] if changes is not None else []
        decoding = f", with {row['decoding']} decoding" if row["decoding"] else ""
        text = (
            f"The model wrote {number(row['articles'])} {plural(unit)} for the seed set {code(row['seed_set'])}"
            f"{decoding}. {number(row['labelled'])} of them were long enough for a label."
        )
        parts.append(f"{text}\n\n{table(columns, lines)}")
    parts.append(
        with_unit("Intervals hold the errors of a sample of articles, not those of another training.", unit)
        + " The numbers are those of `metrics.parquet` and `changes.parquet` of the run."
    )
    return "\n\n".join(parts)


def _limits(plan: Plan, reliability: str) -> str:
    texts = plural(plan.study.corpus.unit)
    lines = [
        "- The model was made to measure how bias and text quality change, and for nothing else. What it writes is "
        "invented, may be biased, and may repeat itself or its training texts.",
        f"- {reliability}",
        "- One training is an example. Another seed may give another course.",
    ]
    if plan.study.corpus.source == "press":
        lines.append(f"- The training {texts} are invented. The model says nothing about news or about politics.")
    return "\n".join(lines)
