"""The hourly game: the best sequences found, a bound that holds whatever prosumers believe, and one for charges taken as standing."""
