"""Files of a run: written whole or not at all, read with a check that they are what they claim."""

from bias_amplification.artifacts.atomic import StudyError, new_file
from bias_amplification.artifacts.tables import read_table, write_csv, write_table

__all__ = ["StudyError", "new_file", "read_table", "write_csv", "write_table"]
