"""Means, intervals and comparisons over seeds and weeks of days."""
