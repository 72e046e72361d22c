# Replicates: how much of a change, and of a difference between rounds, is chance.
# Inputs: the metrics, and the predictions and quality of the first and the last generation of every chain.
# Outputs: the metrics' means over replicates; the changes of all rounds, their differences from each other and from
# controls, with intervals that hold the errors of articles and replicates; and the sources of the variance.
from bias_amplification.study import Version

FIRST_AND_LAST = {"first": 0, "last": study.generations - 1}
COMPARED_TABLES = ["predictions", "quality"]


rule replicates:
    input:
        expand(f"{RESULTS}/replicates/{{table}}.parquet", table=["means", "contrasts", "variance"]),


rule collect_means:
    input:
        f"{RESULTS}/metrics.parquet",
    output:
        f"{RESULTS}/replicates/means.parquet",
    log:
        f"{RESULTS}/logs/replicates/means.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        labels=study.corpus.labels,
    message:
        "Replicates: means of the metrics"
    script:
        "../scripts/collect_means.py"


rule compare_rounds:
    input:
        tables=[
            f"{RESULTS}/{Version(chain.round, generation, chain.replicate).folder}/{table}.parquet"
            for chain in plan.chains.values()
            for generation in FIRST_AND_LAST.values()
            for table in COMPARED_TABLES
        ],
    output:
        contrasts=f"{RESULTS}/replicates/contrasts.parquet",
        variance=f"{RESULTS}/replicates/variance.parquet",
    log:
        f"{RESULTS}/logs/replicates/compare_rounds.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        chains=[
            {key: value for key, value in row.items() if key not in ("folder", "draw", "generation")}
            | {"recipe": plan.recipe(row["round"])}
            for row in plan.measured()
            if row["generation"] == 0
        ],
        measures=[f"{end}_{table}" for end in FIRST_AND_LAST for table in COMPARED_TABLES],
        labels=study.corpus.labels,
        quality=study.quality.column,
    message:
        "Replicates: comparing the changes of all rounds"
    script:
        "../scripts/compare_rounds.py"
