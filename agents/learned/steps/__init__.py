"""Gradient steps of stable-baselines3's SAC and TD3, written out: the same steps in less time."""
