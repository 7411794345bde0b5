"""Training leaders into run folders."""
