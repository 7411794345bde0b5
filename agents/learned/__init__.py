"""Leaders learned with stable-baselines3, and what connects that library and files of its models to the games."""
