"""What takes longer than an answer, and the processes that work it out."""
