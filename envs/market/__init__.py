"""The market: what prosumers answer to a day and charges.

:mod:`.solvers` names what clears; :mod:`.exact` is the one convex program, cleared by CVXPY or by compiled loops, with its certificate;
:mod:`.call_auction` matches orders that prosumers submit before the day,
:mod:`.continuous_auction` as they arrive.
"""
