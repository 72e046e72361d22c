# Theory: the paper's Beta simulation (appendix I), which needs no language model.
# Inputs: none.
# Output: theory/beta.parquet, with the fits by weighted and by plain maximum likelihood in every generation.
from bias_amplification.seeds import derive_seed


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
        theory=study.theory.model_dump(),
        seed=derive_seed(study.seed, "theory"),
    message:
        "Theory: simulating weighted and plain maximum likelihood"
    script:
        "../scripts/simulate_theory.py"
