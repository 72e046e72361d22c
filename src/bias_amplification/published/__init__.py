"""The paper's published numbers, and the comparison of a run's results with them."""
