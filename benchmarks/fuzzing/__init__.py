"""Random communities in named styles, and what is asked of every clearing and optimum on them; see ``benchmarks/fuzz.py``."""
