"""One module per subcommand of ``gridtoll``: ``DESCRIPTION`` and ``EXAMPLES`` for its help, ``add_arguments`` and ``run``."""
