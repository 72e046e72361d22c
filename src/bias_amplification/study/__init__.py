"""The study that the config describes: settings, rounds, model versions, and what they cost."""

from bias_amplification.study.checks import check_paths, given_model_use, language_model_use
from bias_amplification.study.plan import Plan
from bias_amplification.study.settings import Study, read_study
from bias_amplification.study.versions import Chain, Draw, Version

__all__ = [
    "Chain",
    "Draw",
    "Plan",
    "Study",
    "Version",
    "check_paths",
    "given_model_use",
    "language_model_use",
    "read_study",
]
