"""What a leader sees: fields with units and scales, public and private, day-ahead and from hour to hour."""
