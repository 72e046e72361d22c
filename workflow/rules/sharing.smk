# Sharing: a generation 0 that several rounds have in common is trained and measured once.
# Takes the files of the round that makes it. Makes copies in the other rounds' folders, each by a job of its own, so
# that deleting one remakes that one.

if plan.sharing:

    localrules:
        share_generation,

    ruleorder:
        share_generation
        > compose_training_set
        > finetune
        > finetune_passing
        > obtain_generation
        > obtain_generation_passing
        > generate
        > classify
        > score_quality
        > score_perplexity
        > extract_neurons

    rule share_generation:
        input:
            lambda wildcards: f"{RESULTS}/rounds/{plan.sharing[wildcards.sharer]}/generation_00/{wildcards.file}",
        output:
            f"{RESULTS}/rounds/{{sharer}}/generation_00/{{file}}",
        log:
            f"{RESULTS}/logs/rounds/{{sharer}}/generation_00/share_{{file}}.log",
        wildcard_constraints:
            sharer="|".join(plan.sharing),
            file="|".join(
                file
                for file in CHAIN_FILES + MEASURE_FILES
                if file != "model.safetensors" or plan.keeps_weights(Version("", 0))
            ).replace(".", "[.]"),
        priority: 90
        conda:
            "../../envs/study.yaml"
        resources:
            **needs("light"),
        message:
            "{wildcards.sharer}, generation 00: {wildcards.file} is another round's too"
        script:
            "../scripts/share_generation.py"
