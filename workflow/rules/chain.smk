# Chain: generation i of a round is trained on what its strategy says and writes the articles that i + 1 is trained on.
# Takes the base model and the seed sets. Makes, for each round and generation, the training set, the model and its
# articles. A round whose models are given (`models` in the config) has no training set: its models are taken as they are.


wildcard_constraints:
    round="|".join(plan.rounds),
    generation=r"\d\d",


MODEL_FILES = ["model.safetensors", "config.json"]
CHAIN_FILES = [
    *MODEL_FILES,
    "training_set.parquet",
    "training_log.parquet",
    "metadata.json",
    "articles.parquet",
]
# Rounds by where their models come from; a pattern without a round matches nothing.
GIVEN = "|".join(plan.given) or "none"
TRAINED = "|".join(name for name in plan.rounds if name not in plan.given) or "none"
TRAINING_FILES = ["training_set.parquet", "training_log.parquet"]
# Generations by what becomes of their weights; a pattern without a generation matches nothing.
KEPT = {
    kept: "|".join(sorted({f"{v.generation:02d}" for v in plan.versions() if plan.keeps_weights(v) == kept})) or "none"
    for kept in (True, False)
}


rule chain:
    input:
        [
            f"{RESULTS}/{version.folder}/{file}"
            for version in plan.versions()
            for file in CHAIN_FILES
            if file != "model.safetensors" or plan.keeps_weights(version)
            if file not in TRAINING_FILES or version.round not in plan.given
        ],


rule compose_training_set:
    input:
        seed_set=lambda wildcards: plan.seed_set_file(plan.version(wildcards)),
    output:
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/training_set.parquet",
    log:
        f"{RESULTS}/logs/rounds/{{round}}/generation_{{generation}}/training_set.log",
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        strategy=lambda wildcards: plan.rounds[wildcards.round].strategy,
        options=lambda wildcards: plan.strategy_options(plan.version(wildcards)),
        seed=lambda wildcards: plan.seed("training_set", plan.version(wildcards)),
    message:
        "{wildcards.round}, generation {wildcards.generation}: choosing what it is trained on"
    script:
        "../scripts/compose_training_set.py"


rule finetune:
    input:
        training_set=f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/training_set.parquet",
        sources=lambda wildcards: list(plan.training_sources(plan.version(wildcards)).values()),
        initial_model=lambda wildcards: [
            f"{plan.initial_model(plan.version(wildcards))}/{file}" for file in MODEL_FILES
        ],
        tokenizer=f"{RESULTS}/base/tokenizer.json",
    output:
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/training_log.parquet",
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/config.json",
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/metadata.json",
        model=f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/model.safetensors",
    log:
        f"{RESULTS}/logs/rounds/{{round}}/generation_{{generation}}/finetune.log",
    wildcard_constraints:
        round=TRAINED,
        generation=KEPT[True],
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("train", gpus=study.compute.gpus),
    params:
        origins=lambda wildcards: list(plan.training_sources(plan.version(wildcards))),
        finetuning=lambda wildcards: plan.finetuning(wildcards.round).model_dump(exclude={"initialisation"}),
        seed=lambda wildcards: plan.seed("finetune", plan.version(wildcards)),
        precision=study.compute.precision,
    message:
        "{wildcards.round}, generation {wildcards.generation}: fine-tuning"
    script:
        "../scripts/finetune.py"


# The same for weights that go once all is made of them (storage.weights).
use rule finetune as finetune_passing with:
    output:
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/training_log.parquet",
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/config.json",
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/metadata.json",
        model=temp(f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/model.safetensors"),
    wildcard_constraints:
        round=TRAINED,
        generation=KEPT[False],


rule obtain_generation:
    input:
        source=lambda wildcards: plan.source_files(plan.given_model(plan.version(wildcards))),
        base_model=[f"{RESULTS}/base/{file}" for file in MODEL_FILES],
    output:
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/config.json",
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/metadata.json",
        model=f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/model.safetensors",
    log:
        f"{RESULTS}/logs/rounds/{{round}}/generation_{{generation}}/obtain.log",
    wildcard_constraints:
        round=GIVEN,
        generation=KEPT[True],
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("prepare"),
    params:
        source=lambda wildcards: plan.given_model(plan.version(wildcards)).model_dump(),
        key=lambda wildcards: f"rounds {wildcards.round}: models.{int(wildcards.generation)}",
    message:
        "{wildcards.round}, generation {wildcards.generation}: taking its model as it is"
    script:
        "../scripts/obtain_generation.py"


use rule obtain_generation as obtain_generation_passing with:
    output:
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/config.json",
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/metadata.json",
        model=temp(f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/model.safetensors"),
    wildcard_constraints:
        round=GIVEN,
        generation=KEPT[False],


rule generate:
    input:
        model=f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/model.safetensors",
        config=f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/config.json",
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        seed_set=lambda wildcards: plan.seed_set_file(plan.version(wildcards)),
    output:
        f"{RESULTS}/rounds/{{round}}/generation_{{generation}}/articles.parquet",
    log:
        f"{RESULTS}/logs/rounds/{{round}}/generation_{{generation}}/generate.log",
    priority: lambda wildcards: plan.priority(plan.version(wildcards))
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("generate", gpus=1),
    params:
        generation=study.generation.model_dump(),
        decoding=lambda wildcards: plan.rounds[wildcards.round].decoding.model_dump(),
        seed=lambda wildcards: plan.seed("generate", plan.version(wildcards)),
    message:
        "{wildcards.round}, generation {wildcards.generation}: writing articles"
    script:
        "../scripts/generate.py"
