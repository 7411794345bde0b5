"""Leaders that plan for a day they do not know: weighted optima of training days, and forecasts that are solved."""
