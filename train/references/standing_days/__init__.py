"""What is kept of one charge for many days: what a search knows, and its proof."""
