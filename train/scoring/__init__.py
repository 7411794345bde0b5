"""Scoring leaders: on days of a split, and where they did not learn."""
