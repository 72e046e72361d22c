"""Warnings of jobs."""

#: How a line of a job's log begins that the terminal shows, too.
WARNING = "warning: "


def warn(sentence: str) -> None:
    """Write a warning into the job's log. The terminal shows it below the job; the same sentence is shown once."""
    print(f"{WARNING}{sentence}", flush=True)
