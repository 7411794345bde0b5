"""What a comparison came to: scores, leaderboard, splits, paired tests, and the report that shows them.

Data flow one way: a folder's cells → :mod:`.results` → :mod:`.scores` → :mod:`.board` and :mod:`.details` → :mod:`.figures`,
:mod:`.worst` → :mod:`.story`, which puts them in order → :mod:`.documents`, which writes them as HTML, Markdown and LaTeX.
"""
