# Neurons: which of them change as bias or quality change, and whether that is more than chance.
# Takes the metrics and the neurons of all versions, one Parquet each. Makes the panel of outcomes, correlations and
# regressions, the sets of significant neurons, their null distributions under permutation, the tests' calibration on
# simulated studies, and the counts under every combination of choices.

NEURON_FILES = [f"{RESULTS}/{version.folder}/neurons.parquet" for version in plan.neuron_versions()]
NEURON_CHOICES = {
    "test": study.neurons.model_dump(include={"difference", "lags", "reference", "small_sample", "fixed_effects"}),
    "alpha": study.neurons.alpha,
    "weight": study.neurons.weight,
    "activation": study.neurons.activation,
    "bias": study.neurons.bias,
    "quality": study.quality.score,
}


rule neurons:
    input:
        expand(
            f"{RESULTS}/neurons/{{table}}.parquet",
            table=["panel", "correlations", "regression", "sets", "null", "overlap", "permuted"]
            + ["calibration", "sensitivity"],
        ),


rule assemble_panel:
    input:
        metrics=f"{RESULTS}/metrics.parquet",
    output:
        panel=f"{RESULTS}/neurons/panel.parquet",
    log:
        f"{RESULTS}/logs/neurons/panel.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        versions=[(version.round, version.generation) for version in plan.neuron_versions()],
        labels=study.corpus.labels,
        bias_label=study.neurons.tracked_label,
    message:
        "Neurons: outcomes of all model versions"
    script:
        "../scripts/assemble_panel.py"


rule analyse_neurons:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
    output:
        correlations=f"{RESULTS}/neurons/correlations.parquet",
        regression=f"{RESULTS}/neurons/regression.parquet",
        sets=f"{RESULTS}/neurons/sets.parquet",
    log:
        f"{RESULTS}/logs/neurons/analyse.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        choices=NEURON_CHOICES,
    message:
        "Neurons: correlations, regressions and sets over all model versions"
    script:
        "../scripts/analyse_neurons.py"


rule permute_neurons:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
    output:
        null=f"{RESULTS}/neurons/null.parquet",
        overlap=f"{RESULTS}/neurons/overlap.parquet",
        permuted=f"{RESULTS}/neurons/permuted.parquet",
    log:
        f"{RESULTS}/logs/neurons/permute.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        choices=NEURON_CHOICES,
        schemes=study.neurons.permutations.schemes,
        number=study.neurons.permutations.number,
        seed=derive_seed(study.seed, "permute neurons"),
    message:
        "Neurons: null distributions under permuted outcomes"
    script:
        "../scripts/permute_neurons.py"


rule calibrate_neurons:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
    output:
        calibration=f"{RESULTS}/neurons/calibration.parquet",
    log:
        f"{RESULTS}/logs/neurons/calibrate.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        test=NEURON_CHOICES["test"],
        alpha=study.neurons.alpha,
        weight=study.neurons.weight,
        moves=study.neurons.permutations.schemes,
        studies=study.neurons.calibration.studies,
        neurons_a_study=study.neurons.calibration.neurons,
        effects=study.neurons.calibration.effects,
        seed=derive_seed(study.seed, "calibrate neurons"),
    message:
        "Neurons: how often the tests reject in simulated studies"
    script:
        "../scripts/calibrate_neurons.py"


rule compare_choices:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
    output:
        sensitivity=f"{RESULTS}/neurons/sensitivity.parquet",
    log:
        f"{RESULTS}/logs/neurons/sensitivity.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        choices=NEURON_CHOICES,
        moves=study.neurons.permutations.schemes[0],
        number=study.neurons.permutations.sensitivity,
        seed=derive_seed(study.seed, "compare choices"),
    message:
        "Neurons: counts under every combination of choices"
    script:
        "../scripts/compare_choices.py"
