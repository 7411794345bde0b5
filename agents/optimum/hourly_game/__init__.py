"""The hourly game: the best sequences found, and a bound that holds whatever prosumers believe."""
