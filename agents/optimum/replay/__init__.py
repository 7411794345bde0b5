"""The bound of an hourly day with one store, worked out again by arithmetic that the search does not use; a test sees to that."""
