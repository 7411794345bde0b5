"""The games beneath the environments: rules and observations, without Gymnasium."""
