"""Leaders that learn the curve of profit over the charge: by exact gradients, from stored optima, or from what followers answer."""
