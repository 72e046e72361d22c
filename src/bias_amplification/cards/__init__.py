"""Descriptions with which a study and its models can be shared: cards for a hub, and an RO-Crate."""

from bias_amplification.cards.contents import MAIN_OUTPUTS, card_folders, model_folders, recorded_config

__all__ = ["MAIN_OUTPUTS", "card_folders", "model_folders", "recorded_config"]
