# Corpus: from a source of labelled articles to clean tables.
# Input: the source that the config's section `corpus` names.
# Outputs: the table of articles, the report of its cleaning, the proposals for identity removal, the seed sets (a draw
# of each, or one for every replicate), further real articles for the strategy that needs them, the classifier's articles
# and the pretraining articles.
from bias_amplification.corpus.sizes import articles_wanted
from bias_amplification.seeds import derive_seed

SEED_SETS = f"{RESULTS}/corpus/seed_sets"
# Articles that neither the classifier nor a pretrained base model may see.
TAKEN = [plan.draw_file(draw) for draw in plan.reserved_draws]
TAKEN_REAL = [f"{RESULTS}/corpus/real/{draw.name}.parquet" for draw in plan.real_draws]
# The same as a parameter: Snakemake's cache compares the jobs that made the inputs, and not which of their files are read.
LEFT_OUT = {
    kind: [draw.name for draw in draws] for kind, draws in (("seed", plan.reserved_draws), ("real", plan.real_draws))
}


rule corpus:
    input:
        f"{RESULTS}/corpus/articles.parquet",
        f"{RESULTS}/corpus/cleaning.parquet",
        f"{RESULTS}/corpus/review.csv",
        TAKEN,
        TAKEN_REAL,
        f"{RESULTS}/corpus/classifier.parquet",


rule build_corpus:
    input:
        given_files(plan.corpus_files),
    output:
        articles=f"{RESULTS}/corpus/articles.parquet",
        cleaning=f"{RESULTS}/corpus/cleaning.parquet",
        review=f"{RESULTS}/corpus/review.csv",
    log:
        f"{RESULTS}/logs/corpus/build.log",
    cache: CACHED
    priority: 100
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("prepare"),
    params:
        corpus=study.corpus.model_dump(exclude={"unit"}),
        seed=derive_seed(study.seed, "corpus"),
        # Without a sample, a change of the seed sets leaves the corpus as it is.
        wanted=articles_wanted(plan) if study.corpus.sample else {},
    message:
        "Corpus: reading and cleaning the articles"
    script:
        "../scripts/build_corpus.py"


rule draw_seed_sets:
    input:
        articles=f"{RESULTS}/corpus/articles.parquet",
    output:
        **{name: f"{SEED_SETS}/{name}.parquet" for name in plan.seed_sets},
    log:
        f"{RESULTS}/logs/corpus/seed_sets.log",
    priority: 100
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        seed_sets={s.name: s.model_dump() for s in study.seed_sets},
        seed=derive_seed(study.seed, "seed_sets"),
        random_state=study.seed,
    message:
        "Corpus: drawing the seed sets"
    script:
        "../scripts/draw_seed_sets.py"


REDRAWN = dict.fromkeys(draw.seed_set for draw in plan.reserved_draws if draw.replicate > 1)

if REDRAWN:

    # The same rule for the draws of further replicates. Each replicate has its own job, so that more replicates leave
    # the first ones as they are.
    use rule draw_seed_sets as draw_replicate_seed_sets with:
        output:
            **{name: f"{SEED_SETS}/{name}/replicate_{{replicate}}.parquet" for name in REDRAWN},
        log:
            f"{RESULTS}/logs/corpus/seed_sets_{{replicate}}.log",
        wildcard_constraints:
            replicate=r"\d\d",
        params:
            seed_sets={s.name: s.model_dump() for s in study.seed_sets},
            seed=derive_seed(study.seed, "seed_sets"),
            random_state=study.seed,
            # Snakemake's cache knows a draw by its parameters alone.
            draw=lambda wildcards: [*REDRAWN, wildcards.replicate],
        message:
            "Corpus: drawing the seed sets of replicate {wildcards.replicate}"


rule draw_real_articles:
    input:
        articles=f"{RESULTS}/corpus/articles.parquet",
        seed_articles=f"{SEED_SETS}/{{draw}}.parquet",
        taken=TAKEN,
    output:
        f"{RESULTS}/corpus/real/{{draw}}.parquet",
    log:
        f"{RESULTS}/logs/corpus/real/{{draw}}.log",
    wildcard_constraints:
        draw=any_of(draw.name for draw in plan.real_draws),
    priority: 100
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        sets=study.generations - 1,
        distinct=lambda wildcards: plan.distinct_real_replicates(wildcards.draw.split("/")[0]),
        seed=derive_seed(study.seed, "real articles"),
        draw=lambda wildcards: wildcards.draw,
    message:
        "Corpus: drawing further real articles beside seed set {wildcards.draw}"
    script:
        "../scripts/draw_real_articles.py"


rule split_classifier_articles:
    input:
        articles=f"{RESULTS}/corpus/articles.parquet",
        seed_sets=[
            plan.draw_file(draw)
            for draw in plan.reserved_draws
            if not plan.seed_sets[draw.seed_set].shared_with_classifier
        ]
        + TAKEN_REAL,
    output:
        f"{RESULTS}/corpus/classifier.parquet",
    log:
        f"{RESULTS}/logs/corpus/classifier_articles.log",
    priority: 100
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("prepare"),
    params:
        labels=study.corpus.labels,
        classifier=study.classifier.model_dump(include={"resample", "resample_first"}),
        seed=derive_seed(study.seed, "classifier_articles"),
        left_out=LEFT_OUT,
    message:
        "Corpus: splitting the classifier's articles"
    script:
        "../scripts/split_classifier_articles.py"


rule draw_pretraining_articles:
    input:
        articles=f"{RESULTS}/corpus/articles.parquet",
        seed_sets=TAKEN + TAKEN_REAL,
    output:
        f"{RESULTS}/corpus/pretraining.parquet",
    log:
        f"{RESULTS}/logs/corpus/pretraining_articles.log",
    priority: 100
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("prepare"),
    params:
        pretraining=study.base_model.pretraining.model_dump(include={"label_mix", "articles"}),
        seed=derive_seed(study.seed, "pretraining_articles"),
        left_out=LEFT_OUT,
    message:
        "Corpus: drawing the pretraining articles"
    script:
        "../scripts/draw_pretraining_articles.py"
