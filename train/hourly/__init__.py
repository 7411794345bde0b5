"""The hourly game for leaders that learn: the same commands and the same protocol as for charges set once a day."""
