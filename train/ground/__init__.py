"""What all commands stand on: run folders, tables as text, pages, rounds of training days."""
