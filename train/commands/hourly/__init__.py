"""The subcommands with ``--env hourly``."""
