"""The corpus: an article table from any source, the seed sets, and the articles of classifier and base model."""
