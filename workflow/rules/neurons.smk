# Neurons: which neurons change when bias or quality changes, and whether there are more of them than chance would give.
# Inputs: the metrics, and one file of neurons for each version.
# Outputs: the panel of outcomes, whether associations reproduce, the correlations and regressions, the sets of
# significant neurons, their null distributions under permutation, the estimated overlap of the two outcomes' strongest
# neurons, the error rates of the tests in simulated studies, and the numbers of significant neurons under every
# combination of analysis choices.
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import Neurons

NEURON_FILES = [f"{RESULTS}/{version.folder}/neurons.parquet" for version in plan.neuron_versions()]
# A rule's settings are only those keys of the config's section `neurons` on which its tables depend. So a changed key
# remakes only these tables.
NEURON_TEST = {*Neurons.TEST_KEYS, "alpha"}
NEURON_MEASURES = {"weight", "activation", "bias"}
FIRST_SCHEME = study.neurons.permutations.schemes and study.neurons.permutations.schemes[:1]


rule neurons:
    input:
        expand(
            f"{RESULTS}/neurons/{{table}}.parquet",
            table=["panel", "reliability", "correlations", "regression", "sets", "null", "overlap", "permuted"]
            + ["overlap_curve", "calibration", "world", "sensitivity"],
        ),


rule assemble_panel:
    input:
        metrics=f"{RESULTS}/metrics.parquet",
    output:
        panel=f"{RESULTS}/neurons/panel.parquet",
    log:
        f"{RESULTS}/logs/neurons/panel.log",
    localrule: True
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("light"),
    params:
        versions=[(version.round, version.replicate, version.generation) for version in plan.neuron_versions()],
        labels=study.corpus.labels,
        settings=study.neurons.model_dump(include={"tracked_label"}),
    message:
        "Neurons: collecting the outcomes of all model versions"
    script:
        "../scripts/assemble_panel.py"


rule measure_reliability:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
    output:
        reliability=f"{RESULTS}/neurons/reliability.parquet",
    log:
        f"{RESULTS}/logs/neurons/reliability.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        settings={
            **study.neurons.model_dump(include=NEURON_MEASURES | {"alpha", "fixed_effects", "reliability"}),
            "permutations": {
                "schemes": FIRST_SCHEME,
                **study.neurons.permutations.model_dump(include={"number", "sensitivity"}),
            },
        },
        quality=study.quality.model_dump(include={"score"}),
        seed=derive_seed(study.seed, "measure reliability"),
    message:
        "Neurons: whether associations reproduce between halves of the rounds and in held-out rounds"
    script:
        "../scripts/measure_reliability.py"


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
        settings=study.neurons.model_dump(include=NEURON_TEST | NEURON_MEASURES),
        quality=study.quality.model_dump(include={"score"}),
    message:
        "Neurons: correlations, regressions and sets over all model versions"
    script:
        "../scripts/analyse_neurons.py"


rule permute_outcomes:
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
        settings={
            **study.neurons.model_dump(include=NEURON_TEST | NEURON_MEASURES),
            "permutations": study.neurons.permutations.model_dump(include={"schemes", "number"}),
        },
        quality=study.quality.model_dump(include={"score"}),
        # The seed is derived from this text, an older name of the rule. Another text would change the results.
        seed=derive_seed(study.seed, "permute neurons"),
    message:
        "Neurons: null distributions under permuted outcomes"
    script:
        "../scripts/permute_outcomes.py"


rule estimate_overlap:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
    output:
        curve=f"{RESULTS}/neurons/overlap_curve.parquet",
    log:
        f"{RESULTS}/logs/neurons/overlap_curve.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        settings={
            **study.neurons.model_dump(include=NEURON_TEST | NEURON_MEASURES | {"set_sizes"}),
            "permutations": {
                "schemes": FIRST_SCHEME,
                "sensitivity": study.neurons.permutations.sensitivity,
            },
        },
        quality=study.quality.model_dump(include={"score"}),
        seed=derive_seed(study.seed, "estimate overlap"),
    message:
        "Neurons: the estimated overlap of bias and text quality"
    script:
        "../scripts/estimate_overlap.py"


rule calibrate_neurons:
    input:
        panel=f"{RESULTS}/neurons/panel.parquet",
        neurons=NEURON_FILES,
    output:
        calibration=f"{RESULTS}/neurons/calibration.parquet",
        world=f"{RESULTS}/neurons/world.parquet",
    log:
        f"{RESULTS}/logs/neurons/calibrate.log",
    conda:
        "../../envs/study.yaml"
    resources:
        **needs("analyse"),
    params:
        settings={
            **study.neurons.model_dump(include=NEURON_TEST | {"weight", "bias", "calibration"}),
            "permutations": study.neurons.permutations.model_dump(include={"schemes"}),
        },
        quality=study.quality.model_dump(include={"score"}),
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
        settings={
            **study.neurons.model_dump(include=NEURON_TEST | NEURON_MEASURES),
            "permutations": {
                "schemes": FIRST_SCHEME,
                "sensitivity": study.neurons.permutations.sensitivity,
            },
        },
        quality=study.quality.model_dump(include={"score"}),
        seed=derive_seed(study.seed, "compare choices"),
    message:
        "Neurons: counts under every combination of analysis choices"
    script:
        "../scripts/compare_choices.py"
