# Published: the paper's numbers beside the run's own.
# Takes the metrics, the candidates' scores, the neurons' sets under permutation and resources/published/. Makes one
# table with the sampling error of both sides and a verdict for each number.


rule compare_published:
    input:
        metrics=f"{RESULTS}/metrics.parquet",
        scores=expand(f"{RESULTS}/classifier/{{name}}/scores.json", name=plan.candidates),
        overlap=f"{RESULTS}/neurons/overlap.parquet",
        trajectories=trajectories_file(),
        statements=statements_file(),
    output:
        f"{RESULTS}/comparison.parquet",
    log:
        f"{RESULTS}/logs/comparison.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        labels=study.corpus.labels,
        rounds=published_rounds(study),
        seed_sets=published_seed_sets(study),
        departures=level_departures(study),
    message:
        "Published numbers beside the run's own"
    script:
        "../scripts/compare_published.py"
