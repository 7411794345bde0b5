"""The compiled loops of standing charges."""
