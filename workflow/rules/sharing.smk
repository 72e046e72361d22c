# Sharing: a generation 0 that several rounds have in common is trained and measured once.
# Takes every file of the round that makes it. Makes copies in the other rounds' folders.

if plan.sharing:

    ruleorder:
        share_generation
        > compose_training_set
        > finetune
        > generate
        > classify
        > score_quality
        > score_perplexity
        > extract_neurons

    rule share_generation:
        input:
            lambda wildcards: [
                f"{RESULTS}/rounds/{plan.sharing[wildcards.sharer]}/generation_00/{file}"
                for file in CHAIN_FILES + MEASURE_FILES
            ],
        output:
            [f"{RESULTS}/rounds/{{sharer}}/generation_00/{file}" for file in CHAIN_FILES + MEASURE_FILES],
        log:
            f"{RESULTS}/logs/rounds/{{sharer}}/generation_00/share.log",
        wildcard_constraints:
            sharer="|".join(plan.sharing),
        conda:
            "../../envs/study.yaml"
        message:
            "{wildcards.sharer}, generation 00: the same as another round's"
        script:
            "../scripts/share_generation.py"
