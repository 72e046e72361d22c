# Theory: the paper's Beta simulation (appendix I), which needs no language model.
# Takes nothing. Makes the fits of weighted and plain maximum likelihood, generation by generation.


rule simulate_theory:
    output:
        f"{RESULTS}/theory/beta.parquet",
    log:
        f"{RESULTS}/logs/theory.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        samples=study.theory.samples,
        generations=study.theory.generations,
        seed=derive_seed(study.seed, "theory"),
    message:
        "Theory: weighted and plain maximum likelihood"
    script:
        "../scripts/simulate_theory.py"
