# Human likeness: the detector of machine text, for rounds whose strategy resamples their texts by it.
# Inputs: the classifier's articles and the base model.
# Outputs: the articles that the detector learns from, the detector, in results/human_likeness/detector/, and its
# probability that people wrote each article, for the seed sets and for every generation of these rounds but the last.

DETECTOR = f"{RESULTS}/human_likeness/detector"


rule human_likeness:
    input:
        expand(f"{RESULTS}/human_likeness/{{table}}.parquet", table=["articles", "machine", "labelled"]),
        [f"{DETECTOR}/{file}" for file in ENCODER_FILES],
        plan.machine_text_scores,


rule draw_detector_articles:
    input:
        f"{RESULTS}/corpus/classifier.parquet",
    output:
        f"{RESULTS}/human_likeness/articles.parquet",
    log:
        f"{RESULTS}/logs/human_likeness/draw.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        number=study.strategies.detector_articles,
        seed=derive_seed(study.seed, "detector articles"),
    message:
        "Detector of machine text: drawing the articles that the base model continues"
    script:
        "../scripts/draw_detector_articles.py"


use rule generate_base as generate_detector_articles with:
    input:
        model=f"{RESULTS}/base/model.safetensors",
        config=f"{RESULTS}/base/config.json",
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        seed_set=f"{RESULTS}/human_likeness/articles.parquet",
    output:
        f"{RESULTS}/human_likeness/machine.parquet",
    log:
        f"{RESULTS}/logs/human_likeness/generate.log",
    params:
        generation=study.generation.model_dump(),
        decoding={"method": "greedy"},
        seed=derive_seed(study.seed, "generate detector articles"),
    message:
        "Detector of machine text: the base model is writing articles"


rule label_detector_articles:
    input:
        real=f"{RESULTS}/human_likeness/articles.parquet",
        machine=f"{RESULTS}/human_likeness/machine.parquet",
        classifier_articles=f"{RESULTS}/corpus/classifier.parquet",
    output:
        f"{RESULTS}/human_likeness/labelled.parquet",
    log:
        f"{RESULTS}/logs/human_likeness/label.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    message:
        "Detector of machine text: labelling its articles"
    script:
        "../scripts/label_detector_articles.py"


use rule train_classifier as train_machine_text_detector with:
    input:
        articles=f"{RESULTS}/human_likeness/labelled.parquet",
        source=given_files(plan.source_files(plan.detector_candidate)),
    output:
        multiext(f"{DETECTOR}/", *ENCODER_FILES, "timing.json"),
    log:
        f"{RESULTS}/logs/human_likeness/train.log",
    params:
        candidate=plan.detector_candidate.model_dump(),
        classifier={**study.classifier.model_dump(include={"training", "remove_quotes"}), "resample_first": False},
        split="random",
        labels=["human", "machine"],
        seed=derive_seed(study.seed, "machine text detector"),
        precision=study.compute.precision,
    message:
        "Detector of machine text: training"


rule score_human_likeness:
    input:
        articles=f"{GENERATION}/articles.parquet",
        detector=[f"{DETECTOR}/{file}" for file in ENCODER_FILES],
    output:
        f"{GENERATION}/human_likeness.parquet",
    log:
        f"{GENERATION_LOGS}/human_likeness.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("measure", gpus=1),
    params:
        **study.compute.measured_in,
        classifier=study.classifier.model_dump(include={"remove_quotes": True, "training": {"max_tokens"}}),
    message:
        "{wildcards.chain}, generation {wildcards.generation}: probability that people wrote the articles"
    script:
        "../scripts/score_human_likeness.py"


use rule score_human_likeness as score_human_likeness_of_seed_set with:
    input:
        articles=f"{SEED_SETS}/{{draw}}.parquet",
        detector=[f"{DETECTOR}/{file}" for file in ENCODER_FILES],
    output:
        f"{RESULTS}/human_likeness/seed_sets/{{draw}}.parquet",
    log:
        f"{RESULTS}/logs/human_likeness/seed_sets/{{draw}}.log",
    wildcard_constraints:
        draw=any_of(draw.name for draw in plan.draws),
    message:
        "Seed set {wildcards.draw}: probability that people wrote the articles"
