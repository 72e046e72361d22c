"""Analyse neurons: extract a model's FFN output units, and test which of them change as bias or text quality change."""
