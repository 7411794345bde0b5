"""The money: what is charged, who pays whom, what the operator is rewarded with, and exact derivatives of it.

Data flow: :mod:`.tariff` → (the market) → :mod:`.settlement` → :mod:`.objective`.
"""
