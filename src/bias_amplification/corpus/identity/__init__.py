"""Remove what identifies an article's outlet or author.

Patterns propose what to remove. A person may review the proposals. The accepted ones are removed.
"""

from bias_amplification.corpus.identity.proposals import propose
from bias_amplification.corpus.identity.removal import apply_review, remove_identity
from bias_amplification.corpus.identity.review import read_review, write_review

__all__ = ["apply_review", "propose", "read_review", "remove_identity", "write_review"]
