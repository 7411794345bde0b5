"""Rows, datasets and policies as files that other programs read."""
