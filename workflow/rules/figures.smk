# Figures and tables: everything a reader looks at.
# Takes the metrics, the neurons' analysis, the theory and single generations' tables. Makes each entry of the catalogue
# (src/bias_amplification/figures/catalogue.py) as PNG, SVG and PDF or as CSV and HTML, and one page that shows them all.

CATALOGUE = catalogue(plan)
KINDS = {kind: [entry.name for entry in CATALOGUE.values() if entry.kind == kind] for kind in ENDINGS}


rule figures:
    input:
        [entry.files(RESULTS) for entry in CATALOGUE.values()],
        f"{RESULTS}/figures/article_page.html",
        f"{RESULTS}/index.html",


rule draw_figure:
    input:
        unpack(lambda wildcards: CATALOGUE[wildcards.name].sources(RESULTS)),
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
        name="|".join(KINDS["figure"]),
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
        unpack(lambda wildcards: CATALOGUE[wildcards.name].sources(RESULTS)),
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
        name="|".join(KINDS["table"]),
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
        **CATALOGUE["article_evolution"].sources(RESULTS),
    output:
        report(
            f"{RESULTS}/figures/article_page.html",
            caption="../report/entry.rst",
            category="Articles",
            labels={"shows": "One article across generations, to read"},
        ),
    log:
        f"{RESULTS}/logs/figures/article_page.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        arguments=CATALOGUE["article_evolution"].arguments,
        round=plan.example_round,
        title="One article across generations, to read",
        caption="The seed article beside what each generation wrote when prompted with it.",
    message:
        "Page of one article across generations"
    script:
        "../scripts/write_article_page.py"


rule write_index:
    input:
        [entry.files(RESULTS) for entry in CATALOGUE.values()],
        f"{RESULTS}/figures/article_page.html",
    output:
        f"{RESULTS}/index.html",
    log:
        f"{RESULTS}/logs/index.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        entries=[
            {
                "group": entry.group,
                "title": entry.title,
                "caption": entry.caption,
                "files": entry.files(RESULTS)
                + ([f"{RESULTS}/figures/article_page.html"] if entry.name == "article_evolution" else []),
            }
            for entry in CATALOGUE.values()
        ],
        title=f"Bias amplification: study {study.name}",
        introduction=f"{len(plan.rounds)} rounds of {study.generations} generations; base model: "
        f"{study.base_model.source}; corpus: {study.corpus.source}; seed {study.seed}.",
    message:
        "Page of all figures and tables"
    script:
        "../scripts/write_index.py"
