"""Small language models with random weights, of several architectures."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, GPT2LMHeadModel, PreTrainedModel

from bias_amplification.language_model.pretrain import new_model

#: End-of-text token of the models below.
END = 3
#: Number of tokens of their vocabularies.
WORDS = 50

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
ARCHITECTURES = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "opt": {**SMALL, "ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 64},
    "gpt_neox": {**SMALL, "max_position_embeddings": 64},
    "llama": {**SMALL, "num_key_value_heads": 2, "max_position_embeddings": 64},
    "qwen2": {**SMALL, "num_key_value_heads": 2, "max_position_embeddings": 64},
    "mistral": {**SMALL, "num_key_value_heads": 2, "sliding_window": 8, "max_position_embeddings": 64},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
}

#: Sizes of the models of `tiny_model`.
LAYERS, WIDTH, INNER, VOCABULARY, POSITIONS = 2, 16, 24, 40, 32
COMMON = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
LLAMA_LIKE = COMMON | {
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": POSITIONS,
}
#: Architectures whose sizes have other names in their configs.
CONFIGS = {
    "gpt2": COMMON
    | {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "n_positions": POSITIONS, "n_inner": INNER}
    | {"resid_pdrop": 0.5},
    "opt": LLAMA_LIKE | {"pad_token_id": 1, "word_embed_proj_dim": WIDTH, "ffn_dim": INNER, "dropout": 0.5},
    "gpt_neo": LLAMA_LIKE | {"num_layers": LAYERS, "num_heads": 2, "attention_types": [[["global", "local"], 1]]},
}


def untrained(name: str) -> PreTrainedModel:
    """Return a model of one of `ARCHITECTURES` whose continuations differ from prompt to prompt."""
    torch.manual_seed(4)
    special = {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END}
    config = AutoConfig.for_model(name, vocab_size=WORDS, **special, **ARCHITECTURES[name])
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        # With weights this large the logits lie far apart.
        if parameter.ndim > 1:
            parameter.data.normal_(0.0, 0.3)
    return model


def small_gpt2(*, heads: int = 2, dropout: float = 0.0, seed: int = 0) -> GPT2LMHeadModel:
    """Return a GPT-2 with 2 blocks of width 16, 32 positions and 40 tokens, of which 0 is the end-of-text token."""
    model = new_model(layers=2, width=16, heads=heads, context=32, vocabulary=40, end=0, seed=seed)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model


def tiny_model(model_type: str, seed: int = 0) -> PreTrainedModel:
    """Return a model of any architecture of `models/architectures.py`, with random weights, biases and norms."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    config = AutoConfig.for_model(model_type, **CONFIGS.get(model_type, LLAMA_LIKE))
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():  # initial biases of 0 and norms of 1 would hide mistakes
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def second_projection(model: torch.nn.Module, layer: int) -> tuple[torch.nn.Module, str, torch.nn.Module]:
    """Return a block of a `tiny_model` and the name and module of its FFN's second projection, found by their sizes."""
    [blocks] = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == LAYERS]
    inputs = {
        name: getattr(part, "in_features", getattr(part, "nx", 0)) for name, part in blocks[layer].named_modules()
    }
    [name] = [name for name, number in inputs.items() if number == INNER]
    return blocks[layer], name, blocks[layer].get_submodule(name)
