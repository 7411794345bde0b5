"""One prosumer's own program, solved exactly by its structure, in compiled loops: what a negotiation asks each prosumer in every round."""
