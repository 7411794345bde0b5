"""Leaders that learn nothing from what they see: the yardsticks."""
