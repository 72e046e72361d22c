# Classifiers: the leaning classifier and the quality detector.
# Takes the classifier's articles. Makes every candidate (Table 1), the selected one, what it reaches on splits by
# event and outlet, and the detector behind the text quality index.

ENCODER_FILES = ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "scores.json"]
# Classifiers that every article is put to, by the name of their predictions' file.
CLASSIFIERS = {"predictions": "selected"} | ({"predictions_second": "second"} if plan.second_classifier else {})


rule train_classifier:
    input:
        articles=f"{RESULTS}/corpus/classifier.parquet",
        source=lambda wildcards: plan.source_files(plan.candidates[wildcards.candidate]),
    output:
        [f"{RESULTS}/classifier/{{candidate}}/{file}" for file in ENCODER_FILES],
        timing=f"{RESULTS}/classifier/{{candidate}}/timing.json",
    log:
        f"{RESULTS}/logs/classifier/{{candidate}}.log",
    wildcard_constraints:
        candidate="|".join(plan.candidates),
    priority: 10
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train_encoder", gpus=1),
    params:
        candidate=lambda wildcards: plan.candidates[wildcards.candidate].model_dump(),
        split="random",
        training=study.classifier.training.model_dump(),
        remove_quotes=study.classifier.remove_quotes,
        test_copies=study.classifier.resample_first,
        labels=study.corpus.labels,
        seed=lambda wildcards: derive_seed(study.seed, "classifier", wildcards.candidate),
        precision=study.compute.precision,
    message:
        "Classifier: training candidate {wildcards.candidate}"
    script:
        "../scripts/train_classifier.py"


rule select_classifier:
    input:
        [f"{RESULTS}/classifier/{name}/{file}" for name in plan.candidates for file in ENCODER_FILES],
    output:
        [f"{RESULTS}/classifier/{folder}/{file}" for folder in CLASSIFIERS.values() for file in ENCODER_FILES],
        **{folder: f"{RESULTS}/classifier/{folder}/selected.json" for folder in CLASSIFIERS.values()},
    log:
        f"{RESULTS}/logs/classifier/select.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        candidates=[f"{RESULTS}/classifier/{name}" for name in plan.candidates],
    message:
        "Classifier: selecting the candidate with the best validation macro F1"
    script:
        "../scripts/select_classifier.py"


rule test_split:
    input:
        articles=f"{RESULTS}/corpus/classifier.parquet",
        selected=f"{RESULTS}/classifier/selected/selected.json",
    output:
        [f"{RESULTS}/classifier/splits/{{split}}/{file}" for file in ENCODER_FILES],
        timing=f"{RESULTS}/classifier/splits/{{split}}/timing.json",
    log:
        f"{RESULTS}/logs/classifier/split_{{split}}.log",
    wildcard_constraints:
        split="event|outlet",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train_encoder", gpus=1),
    params:
        candidates={name: candidate.model_dump() for name, candidate in plan.candidates.items()},
        split=lambda wildcards: wildcards.split,
        training=study.classifier.training.model_dump(),
        remove_quotes=study.classifier.remove_quotes,
        test_copies=False,
        labels=study.corpus.labels,
        seed=lambda wildcards: derive_seed(study.seed, "classifier_split", wildcards.split),
        precision=study.compute.precision,
    message:
        "Classifier: training and testing the selected candidate on the split by {wildcards.split}"
    script:
        "../scripts/train_classifier.py"


rule train_quality_detector:
    input:
        articles=f"{RESULTS}/corpus/classifier.parquet",
        source=plan.source_files(study.quality.detector),
    output:
        [f"{RESULTS}/quality_detector/{file}" for file in ENCODER_FILES],
        timing=f"{RESULTS}/quality_detector/timing.json",
    log:
        f"{RESULTS}/logs/quality_detector.log",
    priority: 10
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train_encoder" if study.quality.detector.source == "scratch" else "measure", gpus=1),
    params:
        detector=study.quality.detector.model_dump(),
        training=study.quality.training.model_dump(),
        sentences=study.quality.sentences,
        splitter=study.quality.splitter,
        seed=derive_seed(study.seed, "quality_detector"),
        precision=study.compute.precision,
    message:
        "Quality detector: training"
    script:
        "../scripts/train_quality_detector.py"
