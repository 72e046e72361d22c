"""Files of a run: written completely or not at all, and checked when they are read."""

from bias_amplification.artifacts.atomic import StudyError, new_file
from bias_amplification.artifacts.tables import read_table, write_csv, write_table

__all__ = ["StudyError", "new_file", "read_table", "write_csv", "write_table"]
