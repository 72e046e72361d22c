# Published: the paper's numbers beside the run's own.
# Inputs: the metrics and their changes, the scores of the classifier candidates, the numbers of significant neurons for
# bias, for quality and for both, and resources/published/.
# Output: comparison.parquet, with each published number beside the run's own, the sampling error of both and a verdict.
from dataclasses import asdict

from bias_amplification.published.comparable import counterparts, published_file


rule compare_published:
    input:
        metrics=f"{RESULTS}/metrics.parquet",
        changes=f"{RESULTS}/changes.parquet",
        scores=expand(f"{RESULTS}/classifier/{{name}}/scores.json", name=plan.candidates),
        overlap=f"{RESULTS}/neurons/overlap.parquet",
        # `local`: if another workflow uses the study as a module, its prefix is not put before these shipped files.
        trajectories=local(published_file("trajectories.csv")),
        statements=local(published_file("statements.csv")),
    output:
        f"{RESULTS}/comparison.parquet",
    log:
        f"{RESULTS}/logs/comparison.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        counterparts=asdict(counterparts(study)),
    message:
        "Comparison with the published numbers"
    script:
        "../scripts/compare_published.py"
