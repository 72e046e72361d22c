# Chain: the generations of each replicate of each round. The round's strategy chooses the texts that a generation is
# trained on: real articles, or articles that earlier generations wrote.
# Inputs: the base model and the seed sets.
# Outputs, for each chain and generation: the training set, the model, and the articles that the model writes.
# A round with `models` in the config has no training sets: it uses these models and trains none.
# A round with `held` in the config trains with the neurons that held.smk chooses.
from bias_amplification.artifacts.placement import VERSION_FOLDER
from bias_amplification.study.held_rounds import held_chains, held_file, holding_files


wildcard_constraints:
    chain=any_of(plan.chains),
    generation=r"\d\d",


GENERATION = f"{RESULTS}/{VERSION_FOLDER}"
GENERATION_LOGS = f"{RESULTS}/logs/{VERSION_FOLDER}"
CHAIN_FILES = [
    *MODEL_FILES,
    "training_set.parquet",
    "training_log.parquet",
    "metadata.json",
    "articles.parquet",
]
# Patterns for wildcards: the chains whose models are given, and the chains that are trained.
GIVEN = any_of(plan.given)
TRAINED = any_of(name for name in plan.chains if name not in plan.given)
TRAINING_FILES = ["training_set.parquet", "training_log.parquet"]
# Patterns for wildcards: the generations whose weights are kept (True), and those whose weights are removed (False).
KEPT = {
    kept: any_of(f"{number:02d}" for number in range(study.generations) if plan.keeps_weights(number) == kept)
    for kept in (True, False)
}


rule chain:
    input:
        [
            f"{RESULTS}/{version.folder}/{file}"
            for version in plan.versions()
            for file in CHAIN_FILES
            if file != "model.safetensors" or plan.keeps_weights(version.generation)
            if file not in TRAINING_FILES or version.round not in plan.given
        ],
        [held_file(plan, chain) for chain in held_chains(plan).values()],


rule compose_training_set:
    input:
        evidence=lambda wildcards: list(plan.evidence(plan.version(wildcards)).values()),
        seed_set=lambda wildcards: plan.seed_set_file(plan.version(wildcards)),
    output:
        f"{GENERATION}/training_set.parquet",
    log:
        f"{GENERATION_LOGS}/training_set.log",
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        strategy=lambda wildcards: plan.rounds[plan.version(wildcards).round].strategy,
        options=lambda wildcards: plan.strategy_options(plan.version(wildcards)),
        seed=lambda wildcards: plan.seed("training_set", plan.version(wildcards)),
        evidence=lambda wildcards: list(plan.evidence(plan.version(wildcards))),
        labels=study.corpus.labels,
    message:
        "{wildcards.chain}, generation {wildcards.generation}: choosing the training texts"
    script:
        "../scripts/compose_training_set.py"


rule finetune:
    input:
        training_set=f"{GENERATION}/training_set.parquet",
        sources=lambda wildcards: list(plan.training_sources(plan.version(wildcards)).values()),
        initial_model=lambda wildcards: [
            f"{plan.initial_model(plan.version(wildcards))}/{file}" for file in MODEL_FILES
        ],
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        held=lambda wildcards: holding_files(plan, plan.version(wildcards)),
    output:
        f"{GENERATION}/training_log.parquet",
        f"{GENERATION}/config.json",
        f"{GENERATION}/metadata.json",
        model=f"{GENERATION}/model.safetensors",
    log:
        f"{GENERATION_LOGS}/finetune.log",
    wildcard_constraints:
        chain=TRAINED,
        generation=KEPT[True],
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train", gpus=study.compute.gpus),
    params:
        origins=lambda wildcards: list(plan.training_sources(plan.version(wildcards))),
        finetuning=lambda wildcards: plan.finetuning(plan.version(wildcards).round).model_dump(
            exclude={"initialisation"}
        ),
        seed=lambda wildcards: plan.seed("finetune", plan.version(wildcards)),
        precision=study.compute.precision,
        # Snakemake does not record a parameter that is derived from inputs, so versions that hold no neurons have the
        # parameters that they had before there was this one. The table of held neurons says how they are held.
        architecture=lambda wildcards, input: study.neurons.architecture if input.held else None,
    message:
        "{wildcards.chain}, generation {wildcards.generation}: fine-tuning"
    script:
        "../scripts/finetune.py"


# The same rule for generations whose weights are removed when they are no longer needed (storage.weights).
use rule finetune as finetune_passing with:
    output:
        f"{GENERATION}/training_log.parquet",
        f"{GENERATION}/config.json",
        f"{GENERATION}/metadata.json",
        model=temp(f"{GENERATION}/model.safetensors"),
    wildcard_constraints:
        chain=TRAINED,
        generation=KEPT[False],


rule obtain_generation:
    input:
        source=lambda wildcards: given_files(plan.source_files(plan.given_model(plan.version(wildcards)))),
        base_model=[f"{RESULTS}/base/{file}" for file in MODEL_FILES],
    output:
        f"{GENERATION}/config.json",
        f"{GENERATION}/metadata.json",
        model=f"{GENERATION}/model.safetensors",
    log:
        f"{GENERATION_LOGS}/obtain.log",
    wildcard_constraints:
        chain=GIVEN,
        generation=KEPT[True],
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("prepare"),
    params:
        source=lambda wildcards: plan.given_model(plan.version(wildcards)).model_dump(),
        key=lambda wildcards: f"rounds {wildcards.chain}: models.{int(wildcards.generation)}",
    message:
        "{wildcards.chain}, generation {wildcards.generation}: copying the given model"
    script:
        "../scripts/obtain_generation.py"


# The same rule for generations whose weights are removed when they are no longer needed.
use rule obtain_generation as obtain_generation_passing with:
    output:
        f"{GENERATION}/config.json",
        f"{GENERATION}/metadata.json",
        model=temp(f"{GENERATION}/model.safetensors"),
    wildcard_constraints:
        chain=GIVEN,
        generation=KEPT[False],


rule generate:
    input:
        model=f"{GENERATION}/model.safetensors",
        config=f"{GENERATION}/config.json",
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        seed_set=lambda wildcards: plan.seed_set_file(plan.version(wildcards)),
    output:
        f"{GENERATION}/articles.parquet",
    log:
        f"{GENERATION_LOGS}/generate.log",
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("generate", gpus=1),
    params:
        generation=study.generation.model_dump(),
        decoding=lambda wildcards: plan.rounds[plan.version(wildcards).round].decoding.model_dump(),
        seed=lambda wildcards: plan.seed("generate", plan.version(wildcards)),
    message:
        "{wildcards.chain}, generation {wildcards.generation}: writing articles"
    script:
        "../scripts/generate.py"
