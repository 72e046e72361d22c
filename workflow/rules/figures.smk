# Figures, tables and pages: everything that readers look at.
# Inputs: the metrics, the analysis of neurons, interventions, the theory, the comparison with the published numbers, and
# tables of single generations.
# Outputs: every entry of the catalogue (src/bias_amplification/figures/catalogue), a figure as PNG, SVG and PDF and a
# table as CSV and HTML, and index.html, which shows all of them.
from bias_amplification.figures.catalogue import KINDS, catalogue
from bias_amplification.figures.catalogue.facts import corpus_shown
from bias_amplification.published.comparable import published_file


report: "../report/workflow.rst"


CATALOGUE = catalogue(plan)
NAMES = {kind: [name for name, entry in CATALOGUE.items() if entry.kind == kind] for kind in KINDS}
# `local`: if another workflow uses the study as a module, its prefix is not put before these shipped files.
SOURCES = {
    name: entry.sources(RESULTS) | {parameter: local(file) for parameter, file in entry.published_sources().items()}
    for name, entry in CATALOGUE.items()
}


rule figures:
    input:
        [entry.files(RESULTS) for entry in CATALOGUE.values()],
        f"{RESULTS}/index.html",


rule draw_figure:
    input:
        unpack(lambda wildcards: SOURCES[wildcards.name]),
    output:
        report(
            f"{RESULTS}/figures/{{name}}.png",
            caption="../report/entry.rst",
            category=lambda wildcards: CATALOGUE[wildcards.name].group,
            labels=lambda wildcards: {"shows": CATALOGUE[wildcards.name].title},
        ),
        f"{RESULTS}/figures/{{name}}.svg",
        f"{RESULTS}/figures/{{name}}.pdf",
    log:
        f"{RESULTS}/logs/figures/{{name}}.log",
    wildcard_constraints:
        name=any_of(NAMES["figure"]),
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        function=lambda wildcards: CATALOGUE[wildcards.name].function,
        arguments=lambda wildcards: CATALOGUE[wildcards.name].arguments,
        title=lambda wildcards: CATALOGUE[wildcards.name].title,
        caption=lambda wildcards: CATALOGUE[wildcards.name].caption,
    message:
        "Figure: {wildcards.name}"
    script:
        "../scripts/write_entry.py"


rule write_table:
    input:
        unpack(lambda wildcards: SOURCES[wildcards.name]),
    output:
        f"{RESULTS}/tables/{{name}}.csv",
        report(
            f"{RESULTS}/tables/{{name}}.html",
            caption="../report/entry.rst",
            category=lambda wildcards: CATALOGUE[wildcards.name].group,
            labels=lambda wildcards: {"shows": CATALOGUE[wildcards.name].title},
        ),
    log:
        f"{RESULTS}/logs/tables/{{name}}.log",
    wildcard_constraints:
        name=any_of(NAMES["table"]),
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        function=lambda wildcards: CATALOGUE[wildcards.name].function,
        arguments=lambda wildcards: CATALOGUE[wildcards.name].arguments,
        title=lambda wildcards: CATALOGUE[wildcards.name].title,
        caption=lambda wildcards: CATALOGUE[wildcards.name].caption,
    message:
        "Table: {wildcards.name}"
    script:
        "../scripts/write_entry.py"


rule write_article_page:
    input:
        **SOURCES["article_page"],
    output:
        report(
            f"{RESULTS}/figures/article_page.html",
            caption="../report/entry.rst",
            category=CATALOGUE["article_page"].group,
            labels={"shows": CATALOGUE["article_page"].title},
        ),
    log:
        f"{RESULTS}/logs/figures/article_page.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        function=CATALOGUE["article_page"].function,
        arguments=CATALOGUE["article_page"].arguments,
        title=CATALOGUE["article_page"].title,
        caption=CATALOGUE["article_page"].caption,
    message:
        "Page: one article across generations"
    script:
        "../scripts/write_entry.py"


rule write_index:
    input:
        **{
            name: f"{RESULTS}/neurons/{name}.parquet"
            for name in ("reliability", "overlap_curve", "calibration", "world", "overlap")
        },
        **({"scores": SOURCES["table_1"]["scores_files"]} if "table_1" in SOURCES else {}),
        **(
            {"comparison": f"{RESULTS}/comparison.parquet", "published": local(published_file("trajectories.csv"))}
            if "comparison_summary" in SOURCES
            else {}
        ),
        **(
            {
                f"interventions_{name}": f"{RESULTS}/interventions/{name}.parquet"
                for name in ("effects", "missing", "calibration")
            }
            if study.changed_rounds
            else {}
        ),
        contrasts=f"{RESULTS}/replicates/contrasts.parquet",
        changes=f"{RESULTS}/changes.parquet",
        files=[entry.files(RESULTS) for entry in CATALOGUE.values()],
        metrics=f"{RESULTS}/metrics.parquet",
    output:
        f"{RESULTS}/index.html",
    log:
        f"{RESULTS}/logs/index.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        headings=[
            {
                "name": entry.name,
                "group": entry.group,
                "title": entry.title,
                "caption": entry.caption,
                "chart": entry.chart(),
                "numbers": entry.numbers,
            }
            for entry in CATALOGUE.values()
        ],
        about={
            "title": f"Bias amplification: study {study.name}",
            "introduction": f"{len(plan.rounds)} rounds of {study.generations} generations; replicates: "
            f"{', '.join(str(n) for n in sorted({plan.replicates(name) for name in plan.rounds}))}; base model: "
            f"{study.base_model.source}; corpus: {study.corpus.source}; seed {study.seed}.",
            "quality": study.quality.index,
        },
        corpus=corpus_shown(plan),
    message:
        "Page: all figures and tables"
    script:
        "../scripts/write_index.py"
