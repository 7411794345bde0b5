"""The pages: controls, words, and what puts both beside the pictures."""
