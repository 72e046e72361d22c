"""Small encoders that the run makes itself: their tokenizer, their shape, and fresh weights."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bias_amplification.models.byte_level import train_byte_level_bpe
from bias_amplification.study.sections import Encoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Special tokens of the BPE, in the order of their ids.
_SPECIAL_TOKENS = {
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
_CLS_ID, _PAD_ID, _SEP_ID = range(3)

#: Standard deviation of fresh weights times the square root of the width. The libraries' default of 0.02 suits a width
#: of 768. In a model of width 64 it hides the words from the first token for hundreds of steps.
_INITIAL_SCALE = 0.8

#: Tokens that a local layer of ModernBERT attends to.
_LOCAL_ATTENTION = 8

#: Dropout before the classification head. `Encoder.dropout` is the dropout inside the blocks.
_HEAD_DROPOUT = 0.1


def make_encoder(
    source: Encoder, texts: Iterable[str], max_tokens: int, label_ids: Mapping[str, Any]
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Make an encoder with a classification head and fresh weights.

    Parameters
    ----------
    source
        Architecture and size.
    texts
        Texts that the tokenizer is trained on.
    max_tokens
        Longest input, special tokens included.
    label_ids
        `id2label` and `label2id` of the model's config.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer = train_tokenizer(texts, source.vocabulary, max_tokens)
    config = AutoConfig.for_model(
        source.architecture,
        vocab_size=len(tokenizer),
        pad_token_id=_PAD_ID,
        initializer_range=_INITIAL_SCALE / source.width**0.5,
        **_SHAPES[source.architecture](source, max_tokens),
        **label_ids,
    )
    return AutoModelForSequenceClassification.from_config(config), tokenizer


def train_tokenizer(texts: Iterable[str], vocabulary: int, max_tokens: int) -> "PreTrainedTokenizerBase":
    """Train a byte-level BPE with the special tokens of RoBERTa.

    Parameters
    ----------
    texts
        Texts to learn merges from.
    vocabulary
        Number of tokens, including the 256 bytes and five special tokens.
    max_tokens
        Longest input, special tokens included.
    """
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    bpe = train_byte_level_bpe(texts, vocabulary, list(_SPECIAL_TOKENS.values()), prefix_space=True)
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(token, bpe.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        bos_token="<s>",
        eos_token="</s>",
        **_SPECIAL_TOKENS,
    )


def _modernbert(source: Encoder, max_tokens: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": source.layers,
        "hidden_size": source.width,
        "num_attention_heads": source.heads,
        "intermediate_size": 2 * source.width,  # gated: three matrices instead of two
        "max_position_embeddings": max_tokens,
        "local_attention": _LOCAL_ATTENTION,
        # Local layers come first, because broken grammar shows within a few words. The last layer sees the whole text.
        "layer_types": ["sliding_attention"] * (source.layers - 1) + ["full_attention"],
        "classifier_pooling": "mean",
        "classifier_dropout": _HEAD_DROPOUT,
        "embedding_dropout": source.dropout,
        "mlp_dropout": source.dropout,
        "attention_dropout": 0.0,
        "cls_token_id": _CLS_ID,
        "bos_token_id": _CLS_ID,
        "sep_token_id": _SEP_ID,
        "eos_token_id": _SEP_ID,
    }


def _distilbert(source: Encoder, max_tokens: int) -> dict[str, Any]:
    return {
        "n_layers": source.layers,
        "dim": source.width,
        "n_heads": source.heads,
        "hidden_dim": 4 * source.width,
        "max_position_embeddings": max_tokens,
        "dropout": source.dropout,
        "attention_dropout": 0.0,  # fused attention has no dropout
        "seq_classif_dropout": _HEAD_DROPOUT,
    }


def _bert(source: Encoder, max_tokens: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": source.layers,
        "hidden_size": source.width,
        "num_attention_heads": source.heads,
        "intermediate_size": 4 * source.width,
        "max_position_embeddings": max_tokens,
        "type_vocab_size": 1,
        "hidden_dropout_prob": source.dropout,
        "attention_probs_dropout_prob": 0.0,  # fused attention has no dropout
        "classifier_dropout": _HEAD_DROPOUT,
    }


def _roberta(source: Encoder, max_tokens: int) -> dict[str, Any]:
    # RoBERTa numbers positions from the padding id plus one.
    return _bert(source, max_tokens) | {"max_position_embeddings": max_tokens + _PAD_ID + 1}


#: Keyword arguments of each architecture's config, which names sizes in its own way.
_SHAPES: dict[str, Callable[[Encoder, int], dict[str, Any]]] = {
    "modernbert": _modernbert,
    "distilbert": _distilbert,
    "bert": _bert,
    "roberta": _roberta,
}
