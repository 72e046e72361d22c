"""Tables of interventions: neurons that are changed, and what a version writes then (see docs/interventions.md)."""

from bias_amplification.artifacts.schemas.fields import (
    COUNT,
    FLAG,
    GENERATION,
    REAL,
    TEXT,
    interval,
    optional,
    required,
    table,
)

#: The neurons of a version that are changed: one row for each neuron of each set and control set.
#:
#: set                                     name of the set in the config
#: size                                    number of neurons of the set, the same in its controls
#: control                                 0 for the set itself, 1 to `controls` for its controls
#: weight_norm                             L2 norm of the neuron's incoming weights
#: weight_change                           L2 norm of their change since the reference model
#: activation_change                       absolute change of the mean activation since then
#:
#: The last three are logarithms, with mean 0 and standard deviation 1 in each layer of the model.
INTERVENTION_UNITS = table(
    required(TEXT, "set"),
    required(COUNT, "size"),
    required(GENERATION, "control", "layer"),
    required(COUNT, "neuron"),
    required(REAL, "weight_norm", "weight_change", "activation_change"),
)

#: The sets and sizes for which a version has no neurons to change.
#:
#: size    number of neurons; null: that of all significant neurons
#: reason  the reason, a part of a sentence
INTERVENTION_UNITS_MISSING = table(required(TEXT, "set"), optional(COUNT, "size"), required(TEXT, "reason"))

#: The same of all changed versions.
INTERVENTION_MISSING = table(
    required(TEXT, "round"),
    required(COUNT, "replicate"),
    required(GENERATION, "generation"),
    INTERVENTION_UNITS_MISSING,
)

#: The neurons that the training of a round holds, ordered by layer and neuron.
#:
#: penalty  how strongly they are pulled to the base model's weights, the same in all rows; null: they are frozen
HELD_UNITS = table(required(GENERATION, "layer"), required(COUNT, "neuron"), optional(REAL, "penalty"))

#: The conditions under which a version writes; condition 0 changes nothing, and has no set and no action.
#:
#: action  such as "restore base", "restore 3", "ablate mean", "scale", "steer base"
#: amount  factor of `scale`, multiple of `steer`
INTERVENTION_CONDITIONS = table(
    required(COUNT, "condition"),
    optional(TEXT, "set"),
    optional(COUNT, "size"),
    optional(GENERATION, "control"),
    optional(TEXT, "action"),
    optional(REAL, "amount"),
)

#: Value of `chosen_on` for sets from files.
FROM_FILE = "file"

#: The effects: one row for each changed version, or all of them together (`round` is null), set, size, action, amount
#: and outcome.
#:
#: chosen_on                 "others", "own", names of rounds, or `FROM_FILE`
#: expected                  the outcome on which the set is expected to act: "bias", "quality" or "both"
#: size                      number of neurons; a mean over versions if all significant neurons are a set
#: before                    the outcome without a change of neurons
#: effect                    mean paired difference from it, with its interval over articles (and versions if several)
#: controls_*                mean, standard deviation and number of the controls' effects
#: inflation                 factor for errors because controls or versions share neurons (`interventions.place`)
#: standardised_difference   largest standardised difference of the set's features from those of its controls
#: specific                  effect minus the controls' mean, with the interval of a control
#: p_value                   share of set and controls that are at least as far from their common mean
#: p_family                  the same among all sets and outcomes that are told of together; null in other rows
#: smallest_p                smallest possible p-value
#: detectable                size of a specific effect that is told from controls in 80% of studies
#: told                      whether conclusions are about this row: the first size, action and amount of a set
#: valid                     whether `p_family` has its level in simulated studies (`INTERVENTION_CALIBRATION`); null in
#:                           rows that no conclusions are about
INTERVENTION_EFFECTS = table(
    optional(TEXT, "round"),
    optional(COUNT, "replicate"),
    optional(GENERATION, "generation"),
    required(TEXT, "set", "action", "outcome", "chosen_on"),
    optional(TEXT, "expected"),
    required(COUNT, "size", "articles", "versions"),
    optional(REAL, "amount", "before"),
    interval("effect"),
    optional(REAL, "controls_mean", "controls_deviation"),
    required(COUNT, "controls"),
    optional(REAL, "inflation", "standardised_difference"),
    interval("specific"),
    optional(REAL, "p_value", "p_family", "smallest_p", "detectable"),
    required(FLAG, "told"),
    optional(FLAG, "valid"),
)

#: How often comparisons are wrong in simulated studies in which no set acts more than its controls do.
#:
#: world           what neurons do (`interventions.calibrate.WORLDS`)
#: comparisons     number of comparisons that one error rate is for
#: claim           "comparison": a p-value is at most `level`. "interval": an interval misses 0. "family": the smallest
#:                 of the adjusted p-values is at most `level`
#: rejected        how often this happens
#: valid           whether `rejected` fits `level`
INTERVENTION_CALIBRATION = table(
    required(TEXT, "world"),
    required(COUNT, "comparisons"),
    required(TEXT, "claim"),
    required(REAL, "level"),
    required(COUNT, "studies"),
    required(REAL, "rejected", "standard_error"),
    required(FLAG, "valid"),
)
