"""Gradient steps of SAC, TD3 and TQC, written out: those of stable-baselines3 and sb3-contrib in less time."""
