"""The declared columns of every table of a run.

Writers and readers check tables against these schemas. The package knows no label by name, so the schemas of tables
with columns for each label are functions of the labels.
"""

from bias_amplification.artifacts.schemas.corpus import ARTICLES, CLASSIFIER_ARTICLES, CLEANING
from bias_amplification.artifacts.schemas.interventions import (
    HELD_UNITS,
    INTERVENTION_CALIBRATION,
    INTERVENTION_CONDITIONS,
    INTERVENTION_EFFECTS,
    INTERVENTION_MISSING,
    INTERVENTION_UNITS,
    INTERVENTION_UNITS_MISSING,
)
from bias_amplification.artifacts.schemas.neurons import (
    NEURON_CALIBRATION,
    NEURON_CORRELATIONS,
    NEURON_NULL,
    NEURON_OVERLAP,
    NEURON_OVERLAP_CURVE,
    NEURON_PANEL,
    NEURON_PERMUTED,
    NEURON_REGRESSION,
    NEURON_RELIABILITY,
    NEURON_SENSITIVITY,
    NEURON_SETS,
    NEURON_WORLD,
)
from bias_amplification.artifacts.schemas.results import BETA, COMPARISON
from bias_amplification.artifacts.schemas.versions import (
    DEGENERATE_KINDS,
    DEGENERATION,
    GENERATED_ARTICLES,
    HUMAN_LIKENESS,
    NEURONS,
    PERPLEXITY,
    QUALITY,
    ROBUST_MEASURES,
    TRAINING_LOG,
    TRAINING_SET,
    TRAINING_SET_WITH_TITLES,
    changes,
    metrics,
    predictions,
)

__all__ = [
    "ARTICLES",
    "BETA",
    "CLASSIFIER_ARTICLES",
    "CLEANING",
    "COMPARISON",
    "DEGENERATE_KINDS",
    "DEGENERATION",
    "GENERATED_ARTICLES",
    "HELD_UNITS",
    "HUMAN_LIKENESS",
    "INTERVENTION_CALIBRATION",
    "INTERVENTION_CONDITIONS",
    "INTERVENTION_EFFECTS",
    "INTERVENTION_MISSING",
    "INTERVENTION_UNITS",
    "INTERVENTION_UNITS_MISSING",
    "NEURONS",
    "NEURON_CALIBRATION",
    "NEURON_CORRELATIONS",
    "NEURON_NULL",
    "NEURON_OVERLAP",
    "NEURON_OVERLAP_CURVE",
    "NEURON_PANEL",
    "NEURON_PERMUTED",
    "NEURON_REGRESSION",
    "NEURON_RELIABILITY",
    "NEURON_SENSITIVITY",
    "NEURON_SETS",
    "NEURON_WORLD",
    "PERPLEXITY",
    "QUALITY",
    "ROBUST_MEASURES",
    "TRAINING_LOG",
    "TRAINING_SET",
    "TRAINING_SET_WITH_TITLES",
    "changes",
    "metrics",
    "predictions",
]
