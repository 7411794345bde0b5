"""The compiled loops of the search along a charge."""
