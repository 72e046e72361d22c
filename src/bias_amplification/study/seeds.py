"""Seeds for everything that is random, from one number of the config."""

import hashlib


def derive_seed(seed: int, *parts: str | int) -> int:
    """Derive a seed for one use of randomness.

    Stable across processes, machines and Python versions, and unrelated for different `parts`, so that adding a
    round or a generation changes no other one's draws.

    Parameters
    ----------
    seed
        The config's `seed`.
    parts
        What the seed is for, for example ``("finetune", "balanced_synthetic", 3)``.

    Returns
    -------
    int
        In 0 to 2**31 - 1, which every library accepts.
    """
    digest = hashlib.sha256(repr((seed, *parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
