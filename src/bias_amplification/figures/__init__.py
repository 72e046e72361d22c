"""Figures and tables for reading: one function a figure, table in, matplotlib figure out."""
