"""The study as its config declares it: settings, rounds, generations, seeds."""

from bias_amplification.study.checks import check_paths
from bias_amplification.study.machine import gpus_per_job
from bias_amplification.study.plan import Plan, Version
from bias_amplification.study.seeds import derive_seed
from bias_amplification.study.settings import Study, read_study

__all__ = ["Plan", "Study", "Version", "check_paths", "derive_seed", "gpus_per_job", "read_study"]
