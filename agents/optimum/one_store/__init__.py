"""The hourly game with one store: what any sequence of charges can earn at most, proved, and what was played."""
