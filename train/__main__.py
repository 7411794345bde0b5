"""``python -m gridtoll.train`` is the command ``gridtoll``."""

import sys

from .cli import main

sys.exit(main())
