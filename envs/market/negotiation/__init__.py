"""What mechanisms share in which each pair of prosumers holds a price and both sides answer it, round after round."""
