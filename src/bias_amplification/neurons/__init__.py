"""Neurons: the FFN output units of a model, how they change over generations and what they change with."""
