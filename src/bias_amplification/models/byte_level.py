"""Byte-level BPE, the kind of tokenizer that the run trains for its base model and for its encoders."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def train_byte_level_bpe(
    texts: Iterable[str], vocabulary: int, special_tokens: Sequence[str], *, prefix_space: bool
) -> "Tokenizer":
    """Train a byte-level BPE.

    Parameters
    ----------
    texts
        Texts to learn merges from.
    vocabulary
        Number of tokens. The 256 bytes and the special tokens are always among them.
    special_tokens
        They have the first ids, in this order.
    prefix_space
        Whether a space is put before each text, so that its first word has the same tokens as in the middle of a text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
