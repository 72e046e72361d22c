# Classifiers: the leaning classifier and the quality detector.
# Input: the classifier's articles.
# Outputs: every candidate (Table 1), copies of the best and the second-best candidate, the best candidate trained and
# tested on the splits by event and by outlet, and the detector behind the text quality index.
from typing import get_args

from bias_amplification.study.sections import Split

ENCODER_FILES = [*MODEL_AND_TOKENIZER_FILES, "scores.json"]
# The classifiers that classify every article: the name of the file of predictions, and the classifier's folder.
CLASSIFIERS = {"predictions": "selected"} | ({"predictions_second": "second"} if plan.second_classifier else {})


rule train_classifier:
    input:
        articles=f"{RESULTS}/corpus/classifier.parquet",
        source=lambda wildcards: given_files(plan.source_files(plan.candidates[wildcards.candidate])),
    output:
        multiext(f"{RESULTS}/classifier/{{candidate}}/", *ENCODER_FILES, "timing.json"),
    log:
        f"{RESULTS}/logs/classifier/{{candidate}}.log",
    wildcard_constraints:
        candidate=any_of(plan.candidates),
    cache: CACHED
    priority: 10
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train_encoder", gpus=1),
    params:
        candidate=lambda wildcards: plan.candidates[wildcards.candidate].model_dump(),
        classifier=study.classifier.model_dump(include={"training", "remove_quotes", "resample_first"}),
        split="random",
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
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        candidates=list(plan.candidates),
    message:
        "Classifier: selecting the candidate with the best validation macro F1"
    script:
        "../scripts/select_classifier.py"


rule test_split:
    input:
        articles=f"{RESULTS}/corpus/classifier.parquet",
        selected=f"{RESULTS}/classifier/selected/selected.json",
    output:
        multiext(f"{RESULTS}/classifier/splits/{{split}}/", *ENCODER_FILES, "timing.json"),
    log:
        f"{RESULTS}/logs/classifier/split_{{split}}.log",
    wildcard_constraints:
        split=any_of(get_args(Split)),
    cache: CACHED
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train_encoder", gpus=1),
    params:
        candidates={name: candidate.model_dump() for name, candidate in plan.candidates.items()},
        classifier=study.classifier.model_dump(include={"training", "remove_quotes"}),
        split=lambda wildcards: wildcards.split,
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
        source=given_files(plan.source_files(study.quality.detector)),
    output:
        multiext(f"{RESULTS}/quality_detector/", *ENCODER_FILES, "timing.json"),
    log:
        f"{RESULTS}/logs/quality_detector.log",
    cache: CACHED
    priority: 10
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train_encoder" if study.quality.detector.trained_by_run else "measure", gpus=1),
    params:
        quality=study.quality.model_dump(include={"detector", "training", "sentences", "splitter"}),
        language=study.corpus.language,
        seed=derive_seed(study.seed, "quality_detector"),
        precision=study.compute.precision,
    message:
        "Quality detector: training"
    script:
        "../scripts/train_quality_detector.py"
