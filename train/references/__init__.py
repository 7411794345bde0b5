"""What leaders are scored against, computed once and kept."""
