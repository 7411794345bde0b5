"""One charge for many days: the best standing charge with its proof, and the least one that recovers a cost."""
