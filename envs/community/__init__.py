"""Who takes part: a day's data, communities with a year of days, the numbers we choose, prices, and where communities come from.

Data flow: :mod:`.sources` → :mod:`.community` → :mod:`.day`. :mod:`.calendar` says which days train, validate and test.
"""
