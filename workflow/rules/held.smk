# Held neurons: some rounds hold neurons while they are trained, so that these are frozen or stay near the base model's.
# Inputs: the predictions, quality and neurons of the versions of other rounds that choose them, or a file that lists
# them. The metrics of the whole study, which need the round itself, cannot be among the inputs.
# Outputs, for each replicate of such a round: the neurons.
from bias_amplification.study.held_rounds import choosing_rows, choosing_versions
from bias_amplification.study.sections import Neurons


rule choose_held_units:
    input:
        tables=lambda wildcards: [
            f"{RESULTS}/{version.folder}/{table}.parquet"
            for version in choosing_versions(plan, plan.chains[wildcards.chain])
            for table in ("predictions", "quality", "neurons")
        ],
        file=lambda wildcards: given_files(filter(None, [plan.rounds[plan.chains[wildcards.chain].round].held.file])),
        base_model=lambda wildcards: (
            [f"{RESULTS}/base/{file}" for file in MODEL_FILES]
            if plan.rounds[plan.chains[wildcards.chain].round].held.file
            else []
        ),
    output:
        held=f"{RESULTS}/rounds/{{chain}}/held.parquet",
    log:
        f"{RESULTS}/logs/rounds/{{chain}}/choose_held_units.log",
    wildcard_constraints:
        chain=any_of(held_chains(plan)),
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        versions=lambda wildcards: choosing_rows(plan, plan.chains[wildcards.chain]),
        held=lambda wildcards: plan.rounds[plan.chains[wildcards.chain].round].held.model_dump(),
        neurons=study.neurons.model_dump(include={*Neurons.TEST_KEYS, "weight", "activation", "bias", "architecture"}),
        quality=study.quality.model_dump(include={"score"}),
        labels=study.corpus.labels,
    message:
        "{wildcards.chain}: choosing the neurons that its training holds"
    script:
        "../scripts/choose_held_units.py"
