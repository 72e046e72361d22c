# Corpus: from a source of labelled articles to clean tables.
# Input: the source that the config's section `corpus` names.
# Outputs: the table of articles, the report of its cleaning, the proposals for identity removal, the seed sets, the
# classifier's articles and the pretraining articles.
from bias_amplification.seeds import derive_seed


rule corpus:
    input:
        f"{RESULTS}/corpus/articles.parquet",
        f"{RESULTS}/corpus/cleaning.parquet",
        f"{RESULTS}/corpus/review.csv",
        expand(f"{RESULTS}/corpus/seed_sets/{{name}}.parquet", name=plan.seed_sets),
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
    priority: 100
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("prepare"),
    params:
        corpus=study.corpus.model_dump(),
        seed=derive_seed(study.seed, "corpus"),
    message:
        "Corpus: reading and cleaning the articles"
    script:
        "../scripts/build_corpus.py"


rule draw_seed_sets:
    input:
        articles=f"{RESULTS}/corpus/articles.parquet",
    output:
        expand(f"{RESULTS}/corpus/seed_sets/{{name}}.parquet", name=plan.seed_sets),
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


rule split_classifier_articles:
    input:
        articles=f"{RESULTS}/corpus/articles.parquet",
        seed_sets=[
            f"{RESULTS}/corpus/seed_sets/{name}.parquet"
            for name, seed_set in plan.seed_sets.items()
            if not seed_set.shared_with_classifier
        ],
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
    message:
        "Corpus: splitting the classifier's articles"
    script:
        "../scripts/split_classifier_articles.py"


rule draw_pretraining_articles:
    input:
        articles=f"{RESULTS}/corpus/articles.parquet",
        seed_sets=expand(f"{RESULTS}/corpus/seed_sets/{{name}}.parquet", name=plan.seed_sets),
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
    message:
        "Corpus: drawing the pretraining articles"
    script:
        "../scripts/draw_pretraining_articles.py"
