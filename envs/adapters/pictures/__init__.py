"""Pictures of days and of hourly episodes, as environments render them."""
