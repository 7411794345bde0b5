"""The exact optimum along one charge: pieces, bounds, search, certificate, and what else the same proof gives."""
