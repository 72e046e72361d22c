# Neurons: which of them change as bias or quality change.
# Takes the metrics and the neurons of all versions, one Parquet each. Makes correlations over versions, regressions of
# changes, and the sets of significant neurons with their overlap.


rule neurons:
    input:
        expand(f"{RESULTS}/neurons/{{table}}.parquet", table=["correlations", "regression", "sets"]),


rule analyse_neurons:
    input:
        metrics=f"{RESULTS}/metrics.parquet",
        neurons=[f"{RESULTS}/{version.folder}/neurons.parquet" for version in plan.versions()],
    output:
        correlations=f"{RESULTS}/neurons/correlations.parquet",
        regression=f"{RESULTS}/neurons/regression.parquet",
        sets=f"{RESULTS}/neurons/sets.parquet",
    log:
        f"{RESULTS}/logs/neurons.log",
    conda:
        "../../envs/study.yaml"
    params:
        versions=[(version.round, version.generation) for version in plan.versions()],
        labels=study.corpus.labels,
        settings=study.neurons.model_dump(exclude={"probe_set", "architecture", "max_tokens"}),
        quality=study.quality.score,
    message:
        "Neurons: correlations, regressions and sets over all model versions"
    script:
        "../scripts/analyse_neurons.py"
