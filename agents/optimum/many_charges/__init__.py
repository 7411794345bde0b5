"""Several coefficients: the best found, and bounds that no charges exceed."""
