"""The sections of the config: each key with its type, range, default and meaning.

These models are the only definition of the config. The JSON schema for editors and the tables in ``config/README.md``
are generated from them (``make docs``).
"""

from bias_amplification.study.sections.compute import Compute, JobCompute, Storage
from bias_amplification.study.sections.corpus import Cleaning, Corpus, Identity, Press, SeedSet
from bias_amplification.study.sections.held import Held
from bias_amplification.study.sections.interventions import Action, Interventions, UnitSet
from bias_amplification.study.sections.measures import (
    BiasMeasure,
    Candidate,
    Classifier,
    Degeneration,
    Detector,
    DetectorTraining,
    EncoderTraining,
    Perplexity,
    Quality,
    QualityClass,
    Split,
)
from bias_amplification.study.sections.models import (
    BaseModelSettings,
    Encoder,
    GivenModel,
    ModelSource,
    Pretraining,
)
from bias_amplification.study.sections.neurons import (
    Calibration,
    DataDrivenLags,
    Lags,
    Move,
    Moves,
    Neurons,
    Permutations,
    Reliability,
)
from bias_amplification.study.sections.reports import Comparison, Example, Figures, Theory
from bias_amplification.study.sections.rounds import (
    Adapter,
    Decoding,
    Finetuning,
    Generation,
    Replicates,
    Round,
    Strategies,
    StrategyName,
)
from bias_amplification.study.sections.section import NAME_PATTERN, Name, Section, allowed_values

__all__ = [
    "NAME_PATTERN",
    "Action",
    "Adapter",
    "BaseModelSettings",
    "BiasMeasure",
    "Calibration",
    "Candidate",
    "Classifier",
    "Cleaning",
    "Comparison",
    "Compute",
    "Corpus",
    "DataDrivenLags",
    "Decoding",
    "Degeneration",
    "Detector",
    "DetectorTraining",
    "Encoder",
    "EncoderTraining",
    "Example",
    "Figures",
    "Finetuning",
    "Generation",
    "GivenModel",
    "Held",
    "Identity",
    "Interventions",
    "JobCompute",
    "Lags",
    "ModelSource",
    "Move",
    "Moves",
    "Name",
    "Neurons",
    "Permutations",
    "Perplexity",
    "Press",
    "Pretraining",
    "Quality",
    "QualityClass",
    "Reliability",
    "Replicates",
    "Round",
    "Section",
    "SeedSet",
    "Split",
    "Storage",
    "Strategies",
    "StrategyName",
    "Theory",
    "UnitSet",
    "allowed_values",
]
