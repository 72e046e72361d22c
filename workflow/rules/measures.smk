# Measures: what each model version wrote, judged.
# Takes the articles of every generation and of the base model, the selected classifier, the quality detector and the
# models. Makes predictions, quality and perplexity beside the articles, and the metrics table of all versions.

PREDICTION_FILES = [f"{name}.parquet" for name in CLASSIFIERS]
METRIC_FILES = [*PREDICTION_FILES, "quality.parquet", "perplexity.parquet"]
MEASURE_FILES = [*METRIC_FILES, "neurons.parquet"]


wildcard_constraints:
    version=r"rounds/[^/]+/generation_\d\d|base/generated/[^/]+",


rule measures:
    input:
        [
            f"{RESULTS}/{version.folder}/{file}"
            for version in plan.versions()
            for file in MEASURE_FILES
            if file != "neurons.parquet" or version in plan.neuron_versions()
        ],
        f"{RESULTS}/metrics.parquet",


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
        **needs("measure", gpus=1),
    params:
        classifiers=[f"{RESULTS}/classifier/{folder}" for folder in CLASSIFIERS.values()],
        labels=study.corpus.labels,
        text=study.classifier.text,
        max_tokens=study.classifier.max_tokens or study.classifier.training.max_tokens,
        remove_quotes=study.classifier.remove_quotes,
    message:
        "{wildcards.version}: classifying"
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
        **needs("measure", gpus=1),
    params:
        splitter=study.quality.splitter,
        max_tokens=study.quality.training.max_tokens,
    message:
        "{wildcards.version}: scoring text quality"
    script:
        "../scripts/score_quality.py"


rule score_perplexity:
    input:
        articles=f"{RESULTS}/{{version}}/articles.parquet",
        base_model=[f"{RESULTS}/base/{file}" for file in BASE_FILES],
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
        max_tokens=study.perplexity.max_tokens,
    message:
        "{wildcards.version}: scoring perplexity"
    script:
        "../scripts/score_perplexity.py"


rule extract_neurons:
    input:
        model=f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/model.safetensors",
        config=f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/config.json",
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        probe_set=f"{RESULTS}/corpus/seed_sets/{plan.probe_set}.parquet",
    output:
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/neurons.parquet",
    log:
        f"{RESULTS}/logs/rounds/{{round}}/generation_{{generation}}/extract_neurons.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("measure", gpus=1),
    params:
        architecture=study.neurons.architecture,
        max_tokens=study.neurons.max_tokens,
    message:
        "{wildcards.round}, generation {wildcards.generation}: extracting its neurons"
    script:
        "../scripts/extract_neurons.py"


rule collect_metrics:
    input:
        seed_sets=expand(f"{RESULTS}/corpus/seed_sets/{{name}}.parquet", name=plan.seed_sets_used()),
        tables=[f"{RESULTS}/{row['folder']}/{file}" for row in plan.measured() for file in METRIC_FILES],
        scores=f"{RESULTS}/classifier/selected/scores.json",
    output:
        metrics=f"{RESULTS}/metrics.parquet",
    log:
        f"{RESULTS}/logs/metrics.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        versions=plan.measured(),
        measures=[Path(file).stem for file in METRIC_FILES],
        labels=study.corpus.labels,
        readable=study.quality.readable,
        seed=derive_seed(study.seed, "adjusted shares"),
    message:
        "Metrics of all model versions"
    script:
        "../scripts/collect_metrics.py"
