# Interventions: neurons of some versions are changed, these versions write again, and the new texts are classified and
# scored as those of every version are (rules `classify` and `score_quality`).
# Inputs: the models of these versions and of reference models, the seed sets, and the analysis of neurons.
# Outputs, for each changed version: the sets of neurons with their controls, the conditions, and what it writes,
# predictions and quality under each of them. For all: the effects of the sets beside those of their controls, the sets
# that could not be made, and how often the comparisons are wrong in simulated studies.
from bias_amplification.artifacts.placement import INTERVENTION_FOLDER
from bias_amplification.study.changed_versions import (
    changed_versions,
    mean_files,
    reference_folder,
    reference_folders,
    texts_in_generations,
)

INTERVENTION = f"{RESULTS}/{INTERVENTION_FOLDER}"
INTERVENTION_LOGS = f"{RESULTS}/logs/{INTERVENTION_FOLDER}"
INTERVENTION_FILES = [
    f"{RESULTS}/{version.intervention_folder}/{file}.parquet"
    for version in changed_versions(plan)
    for file in ("units", "units_missing", "conditions", "articles", "predictions", "quality")
]

# Tables of each changed version from which effects are computed.
EFFECT_TABLES = ["units", "units_missing", "conditions", "predictions", "quality"]

#: What is made of them: effects, sets that could not be made, and how often comparisons are wrong.
COMPARED = {name: f"{RESULTS}/interventions/{name}.parquet" for name in ("effects", "missing", "calibration")}


rule interventions:
    input:
        INTERVENTION_FILES,
        COMPARED.values(),


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


rule choose_units:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
        version=lambda wildcards: [
            f"{plan.model_folder(plan.version(wildcards))}/{file}" for file in (*MODEL_FILES, "neurons.parquet")
        ],
        # The model since which changes of neurons are counted: that of the first action, by default the base model.
        reference=lambda wildcards: [
            f"{reference_folder(plan, plan.version(wildcards), study.interventions.actions[0].reference or 'base')}/{file}"
            for file in (*MODEL_FILES, "neurons.parquet")
        ],
        lists=given_files([one.file for one in study.interventions.sets if one.file]),
    output:
        units=f"{INTERVENTION}/units.parquet",
        missing=f"{INTERVENTION}/units_missing.parquet",
    log:
        f"{INTERVENTION_LOGS}/choose_units.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("prepare"),
    params:
        round=lambda wildcards: plan.version(wildcards).round,
        replicate=lambda wildcards: plan.version(wildcards).replicate,
        left_out=lambda wildcards: study.choice(study.interventions.chosen_on).left_out(plan.version(wildcards).round),
        interventions=study.interventions.model_dump(
            include={"sets", "chosen_on", "measure", "criterion", "sizes", "controls"}
        ),
        neurons=study.neurons.model_dump(include=NEURON_TEST | NEURON_MEASURES | {"architecture"}),
        quality=study.quality.model_dump(include={"score"}),
        seed=derive_seed(study.seed, "choose units"),
    message:
        "{wildcards.chain}, generation {wildcards.generation}: choosing the neurons to change, and their controls"
    script:
        "../scripts/choose_units.py"


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
        **needs("generate", gpus=1, times=texts_in_generations(plan)),
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


rule compare_interventions:
    input:
        tables=[
            f"{RESULTS}/{version.intervention_folder}/{table}.parquet"
            for version in changed_versions(plan)
            for table in EFFECT_TABLES
        ],
    output:
        **COMPARED,
    log:
        f"{RESULTS}/logs/interventions/effects.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        versions=[
            {
                "round": version.round,
                "replicate": version.replicate,
                "generation": version.generation,
                "tracked_label": study.neurons.tracked_label or plan.rounds[version.round].tracked_label,
            }
            for version in changed_versions(plan)
        ],
        tables=EFFECT_TABLES,
        interventions=study.interventions.model_dump(include={"sets", "chosen_on"}),
        labels=study.corpus.labels,
        bias=study.neurons.bias,
        quality=study.quality.column,
        seed=derive_seed(study.seed, "calibrate interventions"),
    message:
        "Interventions: comparing sets of neurons with their controls"
    script:
        "../scripts/compare_interventions.py"
