"""Figures, tables and pages for readers: drawing functions take a table and return a matplotlib figure."""
