# Sharing: rounds with the same seed set, fine-tuning and decoding have the same generation 0 in a replicate, which is
# made only once.
# Inputs: the files of generation 0 of the first such round.
# Outputs: copies in the folders of the other rounds. Each copy has its own job, so that a deleted copy is remade alone.

FIRST = VERSION_FOLDER.replace("{generation}", "00")

if plan.sharing:

    # The other rules could make these files as well: the copy goes before them.
    ruleorder:
        share_generation
        > compose_training_set
        > finetune
        > finetune_passing
        > obtain_generation
        > obtain_generation_passing
        > generate
        > examine_texts
        > classify
        > score_quality
        > score_perplexity
        > measure_diversity
        > extract_neurons

    rule share_generation:
        input:
            lambda wildcards: f"{RESULTS}/{FIRST.format(chain=plan.sharing[wildcards.chain])}/{wildcards.file}",
        output:
            f"{RESULTS}/{FIRST}/{{file}}",
        log:
            f"{RESULTS}/logs/{FIRST}/share_{{file}}.log",
        wildcard_constraints:
            chain=any_of(plan.sharing),
            file=any_of(
                file for file in CHAIN_FILES + MEASURE_FILES if file != "model.safetensors" or plan.keeps_weights(0)
            ),
        priority: 90
        localrule: True
        conda:
            "../../envs/study.yaml"
        resources:
            **needs("light"),
        message:
            "{wildcards.chain}, generation 00: copying {wildcards.file} from the round that made it"
        script:
            "../scripts/share_generation.py"
