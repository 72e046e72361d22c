# Interventions: neurons of some versions are changed, these versions write again, and the new texts are classified and
# scored as those of every version are (rules `classify` and `score_quality`).
# Inputs: the models of these versions and of reference models, the seed sets, and the sets of neurons.
# Outputs, for each changed version: the conditions, and what it writes, predictions and quality under each of them.
from bias_amplification.artifacts.placement import INTERVENTION_FOLDER
from bias_amplification.study.changed_versions import changed_versions, mean_files, reference_folders

INTERVENTION = f"{RESULTS}/{INTERVENTION_FOLDER}"
INTERVENTION_LOGS = f"{RESULTS}/logs/{INTERVENTION_FOLDER}"
INTERVENTION_FILES = [
    f"{RESULTS}/{version.intervention_folder}/{file}"
    for version in changed_versions(plan)
    for file in ("conditions.parquet", "articles.parquet", "predictions.parquet", "quality.parquet")
]


rule interventions:
    input:
        INTERVENTION_FILES,


# The base model's mean activations, from which the change of a version's is counted.
use rule extract_neurons as extract_base_neurons with:
    input:
        model=f"{RESULTS}/base/model.safetensors",
        config=f"{RESULTS}/base/config.json",
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        probe_set=f"{RESULTS}/corpus/seed_sets/{plan.probe_set}.parquet",
    output:
        f"{RESULTS}/base/neurons.parquet",
    log:
        f"{RESULTS}/logs/base/extract_neurons.log",
    message:
        "Base model: extracting the neurons"


rule intervene:
    input:
        model=lambda wildcards: [f"{plan.model_folder(plan.version(wildcards))}/{file}" for file in MODEL_FILES],
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        units=f"{INTERVENTION}/units.parquet",
        references=lambda wildcards: [
            f"{folder}/{file}"
            for folder in reference_folders(plan, plan.version(wildcards)).values()
            for file in MODEL_FILES
        ],
        means=lambda wildcards: mean_files(plan, plan.version(wildcards)),
        seed_set=lambda wildcards: plan.seed_set_file(plan.version(wildcards)),
    output:
        conditions=f"{INTERVENTION}/conditions.parquet",
        articles=f"{INTERVENTION}/articles.parquet",
    log:
        f"{INTERVENTION_LOGS}/intervene.log",
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("generate", gpus=1),
    params:
        references=lambda wildcards: list(reference_folders(plan, plan.version(wildcards))),
        settings=study.interventions.model_dump(include={"actions", "articles"}),
        architecture=study.neurons.architecture,
        writing=lambda wildcards: {
            "generation": study.generation.model_dump(),
            "decoding": plan.rounds[plan.version(wildcards).round].decoding.model_dump(),
            "seed": plan.seed("generate", plan.version(wildcards)),
            # Versions with the same seed articles write from the same sample.
            "sample_seed": derive_seed(study.seed, "sample articles", plan.draw(plan.version(wildcards).chain).name),
        },
    message:
        "{wildcards.chain}, generation {wildcards.generation}: writing articles with changed neurons"
    script:
        "../scripts/intervene.py"
