"""Measures of articles: leaning, text quality, and the metrics of a model version with their intervals."""
