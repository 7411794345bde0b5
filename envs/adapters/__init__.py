"""The games as Gymnasium environments, single and batched: thin adapters, the only code that knows Gymnasium."""
