# Measures: leaning, quality, perplexity, diversity and degeneration of the articles that each model version wrote, and
# the version's neurons.
# Inputs: the articles of every generation and of the base model, the models, the selected classifiers, and the quality
# detector.
# Outputs: predictions, quality, perplexity, diversity, degeneration and neurons in each version's folder, the metrics of
# all versions and their changes, and how often real articles of each label led to articles of each label.
from bias_amplification.artifacts.placement import MEASURED_PATTERN
from bias_amplification.seeds import derive_seed
from bias_amplification.study.changed_versions import texts_in_folder

PREDICTION_FILES = [f"{name}.parquet" for name in CLASSIFIERS]
METRIC_FILES = [
    *PREDICTION_FILES,
    *(f"{name}.parquet" for name in ("quality", "perplexity", "diversity", "degeneration")),
]
# The words of the embedded press, whose leaning is known, are counted in the articles.
LEXICON_FILES = ["articles.parquet"] if study.corpus.source == "press" else []
MEASURE_FILES = [*METRIC_FILES, "neurons.parquet"]
WRITTEN = {row["folder"]: row for row in plan.measured()}
# The tables of the texts that each version was trained on: path by origin. For given models they are not known.
TRAINED_ON = {
    version.folder: plan.training_sources(version) for version in plan.versions() if version.round not in plan.given
}


wildcard_constraints:
    version=MEASURED_PATTERN,


rule measures:
    input:
        [
            f"{RESULTS}/{version.folder}/{file}"
            for version in plan.versions()
            for file in MEASURE_FILES
            if file != "neurons.parquet" or version in plan.neuron_versions()
        ],
        f"{RESULTS}/metrics.parquet",
        f"{RESULTS}/changes.parquet",
        f"{RESULTS}/transitions.parquet",
        f"{RESULTS}/event_shares.parquet",


# It goes before other jobs: if a generation 0 wrote nothing, this job fails, and the run starts no further one.
rule examine_texts:
    input:
        articles=f"{RESULTS}/{{version}}/articles.parquet",
        seed_set=lambda wildcards: f"{RESULTS}/corpus/seed_sets/{WRITTEN[wildcards.version]['draw']}.parquet",
        training_set=lambda wildcards: (
            [f"{RESULTS}/{wildcards.version}/training_set.parquet"] if wildcards.version in TRAINED_ON else []
        ),
        sources=lambda wildcards: list(TRAINED_ON.get(wildcards.version, {}).values()),
    output:
        f"{RESULTS}/{{version}}/degeneration.parquet",
    log:
        f"{RESULTS}/logs/{{version}}/examine_texts.log",
    priority: 85
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        origins=lambda wildcards: list(TRAINED_ON.get(wildcards.version, {})),
        degeneration=lambda wildcards: study.degeneration.model_dump(
            exclude={"labels"} | ({"most_empty"} if WRITTEN[wildcards.version]["generation"] else set())
        ),
        language=study.corpus.language,
        generation=lambda wildcards: WRITTEN[wildcards.version]["generation"],
    message:
        "{wildcards.version}: looking for empty, repetitive and copied texts"
    script:
        "../scripts/examine_texts.py"


rule classify:
    input:
        articles=f"{RESULTS}/{{version}}/articles.parquet",
        classifiers=[
            f"{RESULTS}/classifier/{folder}/{file}" for folder in CLASSIFIERS.values() for file in ENCODER_FILES
        ],
    output:
        [f"{RESULTS}/{{version}}/{file}" for file in PREDICTION_FILES],
    log:
        f"{RESULTS}/logs/{{version}}/classify.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("measure", gpus=1, times=lambda wildcards: texts_in_folder(plan, wildcards.version)),
    params:
        **study.compute.measured_in,
        classifier=study.classifier.model_dump(
            include={"text": True, "remove_quotes": True, "max_tokens": True, "training": {"max_tokens"}}
        ),
        degeneration=study.degeneration.model_dump(include={"labels", "few_words"}),
        labels=study.corpus.labels,
        language=study.corpus.language,
    message:
        "{wildcards.version}: classifying the articles"
    script:
        "../scripts/classify.py"


rule score_quality:
    input:
        articles=f"{RESULTS}/{{version}}/articles.parquet",
        detector=[f"{RESULTS}/quality_detector/{file}" for file in ENCODER_FILES],
    output:
        f"{RESULTS}/{{version}}/quality.parquet",
    log:
        f"{RESULTS}/logs/{{version}}/score_quality.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("measure", gpus=1, times=lambda wildcards: texts_in_folder(plan, wildcards.version)),
    params:
        **study.compute.measured_in,
        quality=study.quality.model_dump(include={"splitter": True, "training": {"max_tokens"}}),
        language=study.corpus.language,
    message:
        "{wildcards.version}: scoring text quality"
    script:
        "../scripts/score_quality.py"


rule score_perplexity:
    input:
        articles=f"{RESULTS}/{{version}}/articles.parquet",
        base_model=[f"{RESULTS}/base/{file}" for file in MODEL_AND_TOKENIZER_FILES],
        generating_model=lambda wildcards: [
            f"{RESULTS}/{'base' if wildcards.version.startswith('base/') else wildcards.version}/{file}"
            for file in MODEL_FILES
        ],
    output:
        f"{RESULTS}/{{version}}/perplexity.parquet",
    log:
        f"{RESULTS}/logs/{{version}}/score_perplexity.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("measure", gpus=1),
    params:
        **study.compute.measured_in,
        perplexity=study.perplexity.model_dump(),
    message:
        "{wildcards.version}: computing perplexity"
    script:
        "../scripts/score_perplexity.py"


rule measure_diversity:
    input:
        articles=f"{RESULTS}/{{version}}/articles.parquet",
        classifier=[f"{RESULTS}/classifier/selected/{file}" for file in ENCODER_FILES],
    output:
        f"{RESULTS}/{{version}}/diversity.parquet",
    log:
        f"{RESULTS}/logs/{{version}}/measure_diversity.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("measure", gpus=1),
    params:
        **study.compute.measured_in,
        settings={"language": study.corpus.language},
        classifier=study.classifier.model_dump(
            include={"text": True, "remove_quotes": True, "max_tokens": True, "training": {"max_tokens"}}
        ),
        labels=study.corpus.labels,
        seed=derive_seed(study.seed, "diversity"),
    message:
        "{wildcards.version}: measuring the diversity of the articles"
    script:
        "../scripts/measure_diversity.py"


rule extract_neurons:
    input:
        model=f"{GENERATION}/model.safetensors",
        config=f"{GENERATION}/config.json",
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        probe_set=f"{RESULTS}/corpus/seed_sets/{plan.probe_set}.parquet",
    output:
        f"{GENERATION}/neurons.parquet",
    log:
        f"{GENERATION_LOGS}/extract_neurons.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("measure", gpus=1),
    params:
        **study.compute.measured_in,
        settings=study.neurons.model_dump(include={"architecture", "max_tokens"}),
    message:
        "{wildcards.chain}, generation {wildcards.generation}: extracting the neurons"
    script:
        "../scripts/extract_neurons.py"


rule collect_metrics:
    input:
        seed_sets=[plan.draw_file(draw) for draw in plan.draws],
        tables=[f"{RESULTS}/{row['folder']}/{file}" for row in plan.measured() for file in METRIC_FILES + LEXICON_FILES],
        scores=f"{RESULTS}/classifier/selected/scores.json",
    output:
        metrics=f"{RESULTS}/metrics.parquet",
        changes=f"{RESULTS}/changes.parquet",
    log:
        f"{RESULTS}/logs/metrics.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        versions=[{key: value for key, value in row.items() if key != "folder"} for row in plan.measured()],
        draws=[draw.name for draw in plan.draws],
        measures=[Path(file).stem for file in METRIC_FILES + LEXICON_FILES],
        labels=study.corpus.labels,
        settings={
            "readable": study.quality.readable,
            "degeneration": study.degeneration.model_dump(include={"few_words", "repeated", "copied"}),
            "seed": derive_seed(study.seed, "adjusted shares"),
            "label_map": study.corpus.label_map,
        },
    message:
        "Metrics: collecting them and their changes from all model versions"
    script:
        "../scripts/collect_metrics.py"


rule collect_transitions:
    input:
        seed_sets=[plan.draw_file(draw) for draw in plan.draws],
        predictions=[f"{RESULTS}/{row['folder']}/predictions.parquet" for row in plan.measured()],
    output:
        transitions=f"{RESULTS}/transitions.parquet",
        events=f"{RESULTS}/event_shares.parquet",
    log:
        f"{RESULTS}/logs/transitions.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        versions=[
            {name: row[name] for name in ("round", "replicate", "generation", "seed_set", "draw")}
            for row in plan.measured()
        ],
        draws=[draw.name for draw in plan.draws],
        labels=study.corpus.labels,
    message:
        "Transitions: labels of real articles and of what was written from their prompts"
    script:
        "../scripts/collect_transitions.py"
