"""One reader per source. Each returns an article table and findings about rows that were repaired or lost."""
