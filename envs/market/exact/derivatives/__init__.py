"""How the exact market answers to a change: along a direction of charges, and backwards from any quantity of a clearing."""
