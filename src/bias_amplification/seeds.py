"""Seeds for everything random, derived from one number of the config."""

import hashlib


def derive_seed(seed: int, *parts: str | int) -> int:
    """Derive the seed for one use of randomness.

    The result is the same in every process, on every machine and with every Python version. Seeds with different
    `parts` are unrelated, so a new round or generation changes no other one's draws.

    Parameters
    ----------
    seed
        The config's `seed`.
    parts
        What the seed is for, such as ``("finetune", "balanced_synthetic", 3)``.

    Returns
    -------
    int
        From 0 to 2**31 - 1, a range that every library accepts.
    """
    digest = hashlib.sha256(repr((seed, *parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
