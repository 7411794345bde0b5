"""The proofs of standing charges as certificates: they can be kept in a file, and check themselves by arithmetic of their own."""
