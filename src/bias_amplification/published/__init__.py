"""The paper's published numbers, and a run's own held against them."""
