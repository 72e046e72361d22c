# Base model: the language model before any fine-tuning.
# Inputs: the pretraining articles, or a model from a folder or hub.
# Outputs: the base model in results/base/, and the articles that it writes for each seed set (Figure 2).
from bias_amplification.artifacts.placement import BASE_ARTICLES_FOLDER
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES, MODEL_FILES
from bias_amplification.seeds import derive_seed


rule base:
    input:
        [f"{RESULTS}/base/{file}" for file in MODEL_AND_TOKENIZER_FILES],
        expand(
            f"{RESULTS}/{BASE_ARTICLES_FOLDER}/{{table}}.parquet",
            draw=[draw.name for draw in plan.draws],
            table=["articles", "predictions", "quality", "perplexity", "diversity", "degeneration"],
        ),


if study.base_model.source == "pretrain":

    rule pretrain_base_model:
        input:
            articles=f"{RESULTS}/corpus/pretraining.parquet",
            tokenizer=given_files(plan.tokenizer_files),
        output:
            multiext(f"{RESULTS}/base/", *MODEL_AND_TOKENIZER_FILES, "metadata.json", "training_log.parquet"),
        log:
            f"{RESULTS}/logs/base/pretrain.log",
        cache: CACHED
        priority: 100
        conda:
            "../../envs/study.yaml"
        threads: study.compute.training_threads
        resources:
            **needs("train", gpus=1),
        params:
            pretraining=study.base_model.pretraining.model_dump(exclude={"label_mix", "articles"}),
            begin_token=study.base_model.begin_token,
            seed=derive_seed(study.seed, "pretraining"),
            precision=study.compute.precision,
        message:
            "Base model: pretraining"
        script:
            "../scripts/pretrain_base_model.py"

else:

    rule obtain_base_model:
        input:
            given_files(plan.source_files(study.base_model)),
        output:
            multiext(f"{RESULTS}/base/", *MODEL_AND_TOKENIZER_FILES, "metadata.json"),
        log:
            f"{RESULTS}/logs/base/obtain.log",
        cache: CACHED
        conda:
            "../../envs/study.yaml"
        resources:
            **needs("prepare"),
        params:
            source=study.base_model.model_dump(include={"source", "hub_id", "revision", "path", "begin_token"}),
        message:
            "Base model: copying it from its folder or hub"
        script:
            "../scripts/obtain_base_model.py"


rule generate_base:
    input:
        model=f"{RESULTS}/base/model.safetensors",
        config=f"{RESULTS}/base/config.json",
        tokenizer=f"{RESULTS}/base/tokenizer.json",
        seed_set=f"{SEED_SETS}/{{draw}}.parquet",
    output:
        f"{RESULTS}/{BASE_ARTICLES_FOLDER}/articles.parquet",
    log:
        f"{RESULTS}/logs/base/generate_{{draw}}.log",
    wildcard_constraints:
        draw=any_of(draw.name for draw in plan.draws),
    conda:
        "../../envs/study.yaml"
    threads: study.compute.threads
    resources:
        **needs("generate", gpus=1),
    params:
        generation=study.generation.model_dump(),
        decoding={"method": "greedy"},
        seed=lambda wildcards: derive_seed(study.seed, "generate_base", wildcards.draw),
    message:
        "Base model: writing articles for seed set {wildcards.draw}"
    script:
        "../scripts/generate.py"
