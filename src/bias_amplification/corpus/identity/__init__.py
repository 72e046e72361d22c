"""What gives away an article's outlet or author: proposed by patterns, decided by a person, removed by the run."""

from bias_amplification.corpus.identity.proposals import propose
from bias_amplification.corpus.identity.removal import apply_review
from bias_amplification.corpus.identity.review import read_review, write_review

__all__ = ["apply_review", "propose", "read_review", "write_review"]
