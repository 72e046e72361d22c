"""The dataset card of a study: its articles and its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from bias_amplification.cards.contents import MAIN_OUTPUTS
from bias_amplification.cards.markdown import (
    CITATION_SECTION,
    LICENSE,
    LICENSE_SECTION,
    code,
    codes,
    number,
    table,
)
from bias_amplification.study import Plan
from bias_amplification.study.sections.corpus import SOURCES
from bias_amplification.study.unit import plural, with_unit

Row = Mapping[str, Any]

#: Upper ends of the hub's size categories.
_SIZES = {
    1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M",
    100_000_000: "10M<n<100M",
}  # fmt: skip

#: Tables of versions, with a description. Those with texts come first.
_VERSION_TABLES = {
    "articles": "The articles that each version wrote, with the titles of real articles and, if these were prompts, "
    "the first words of real articles.",
    "predictions": "Probabilities of the labels of each article.",
    "quality": "Text quality of each article.",
    "perplexity": "Perplexity of each article.",
    "degeneration": "How much of each article is repeated or copied.",
    "diversity": "Diversity of each version's articles.",
}


def dataset_card(plan: Plan, metrics: Sequence[Row], articles: Mapping[str, int], reliability: str) -> str:
    """Return the dataset card of a study, in the format of the Hugging Face hub.

    Parameters
    ----------
    plan
        The study's versions.
    metrics
        The rows of the metrics table.
    articles
        Number of real articles by label.
    reliability
        How reliable the classifier is, in a sentence.

    Returns
    -------
    str
        The YAML head and the body.
    """
    from huggingface_hub import DatasetCardData

    study = plan.study
    written = sum(row["articles"] for row in metrics)
    head = DatasetCardData(
        language=study.corpus.language,
        license=LICENSE,
        pretty_name=f"Bias amplification: study {study.name}",
        size_categories=next((words for end, words in _SIZES.items() if written < end), "100M<n<1B"),
        task_categories=["text-generation", "text-classification"],
        tags=["bias-amplification", "model-collapse", "synthetic-data"],
        configs=_configs(),
    ).to_yaml()
    body = [
        f"# {code(study.name)}: a study of bias amplification\n\n{_introduction(plan, written)}",
        f"## Rounds\n\n{_rounds(plan, metrics)}",
        f"## Real {plural(study.corpus.unit)}\n\n{_corpus(plan, articles)}",
        f"## Files\n\n{_files(study.corpus.unit)}",
        f"## Limits\n\n{_limits(plan, reliability)}",
        LICENSE_SECTION,
        CITATION_SECTION,
    ]
    return f"---\n{head.strip()}\n---\n\n" + "\n\n".join(part.strip() for part in body) + "\n"


def _configs() -> list[dict[str, Any]]:
    """Return the tables that the hub's viewer can show: one config for each kind of table."""
    tables = [path for path in MAIN_OUTPUTS if path.endswith(".parquet")]
    found: list[dict[str, Any]] = [
        {"config_name": path.removesuffix(".parquet").replace("/", "_"), "data_files": path} for path in tables
    ]
    found[0]["default"] = True
    return found + [
        {"config_name": f"version_{name}", "data_files": f"rounds/**/generation_*/{name}.parquet"}
        for name in _VERSION_TABLES
    ]


def _introduction(plan: Plan, written: int) -> str:
    texts = plural(plan.study.corpus.unit)
    return (
        "Language models were trained again and again on what they had written themselves. This folder has the "
        f"{texts} that they wrote, and measures of the bias and the quality of these texts. "
        f"{len(list(plan.versions()))} model versions and the base model have {number(written)} {texts} in all. "
        "A generation 0 that several rounds share is counted in each of them."
    )


def _rounds(plan: Plan, metrics: Sequence[Row]) -> str:
    """Return a table of the rounds, with the share of the tracked label and the quality at first and at last."""
    last = plan.study.generations - 1
    found = {(row["round"], row["replicate"], row["generation"]): row for row in metrics}
    lines = []
    for chain in plan.chains.values():
        r = plan.rounds[chain.round]
        ends = [found[chain.round, chain.replicate, generation] for generation in (0, last)]
        shares, qualities = ([number(row[column]) for row in ends] for column in (f"share_{r.tracked_label}", _QUALITY))
        recipe = [code(r.seed_set), code(r.strategy), r.decoding.method, code(r.tracked_label)]
        lines.append([code(r.name), chain.replicate, *recipe, *shares, *qualities])
    columns = ["Round", "Replicate", "Seed set", "Strategy", "Decoding", "Tracked label"]
    for measure in ("Its share", "Text quality index"):
        columns += [f"{measure} in generation 0", f"{measure} in generation {last}"]
    return table(columns, lines)


_QUALITY = "text_quality_index"


def _corpus(plan: Plan, articles: Mapping[str, int]) -> str:
    """Say where the real articles come from, and return the number of each label."""
    corpus = plan.study.corpus
    source = "A table of the user's" if corpus.source == "table" else f"Source: {SOURCES[corpus.source].description}"
    counts = table(["Label", "Number"], [[code(label), number(count)] for label, count in articles.items()])
    sets = [
        f"- {code(s.name)}: labels {codes(s.labels)}" for s in plan.study.seed_sets if s.name in plan.seed_sets_used()
    ]
    text = with_unit("Rounds start from seed sets, which are drawn from these articles:", corpus.unit)
    return f"{source}. Language: {code(corpus.language)}.\n\n{counts}\n\n{text}\n\n" + "\n".join(sets)


def _files(unit: str) -> str:
    """Return a table of the files, and which of them have texts."""
    files = {path: with_unit(words, unit) for path, words in MAIN_OUTPUTS.items()}
    files |= {
        f"rounds/ROUND/generation_NN/{name}.parquet": with_unit(words, unit) for name, words in _VERSION_TABLES.items()
    }
    files["corpus/"] = with_unit("The real articles, whole and as seed sets.", unit)
    files["config.yaml"] = "The study's config. It may name folders of the machine that ran it."
    files["ro-crate-metadata.json"] = "The same description for programs: inputs, outputs, versions and times."
    return table(["File", "Contents"], [[code(path), words] for path, words in files.items()])


def _limits(plan: Plan, reliability: str) -> str:
    texts = plural(plan.study.corpus.unit)
    lines = [
        f"- {reliability}",
        f"- The models' {texts} are invented. They may be biased, and may repeat real {texts} word by word.",
        "- Each row of the table of rounds is one chain of trainings. Another seed may give another course, so the "
        "difference between the first and the last value is not the effect of the strategy. "
        "`replicates/contrasts.parquet` has intervals and, if there are several replicates, verdicts.",
        "- Numbers of neurons are results of tests, and some tests are wrong more often than they claim: "
        "`neurons/calibration.parquet` has the error rates of each in simulated studies.",
    ]
    if plan.study.corpus.source == "press":
        lines.append(f"- The real {texts} are invented, too: the study's own press wrote them.")
    else:
        lines.append(
            f"- Texts of others are in `corpus/`, `figures/article_page.html` (whole {texts}), "
            "`figures/article_evolution`, the columns `title` and `head` of all files `articles.parquet`, and, if "
            "there is one, the folder `human_likeness/`. Share them only if you may. The other tables have no text."
        )
    return "\n".join(lines)
