"""Choosing an algorithm's settings on validation days: ``gridtoll tune``."""
