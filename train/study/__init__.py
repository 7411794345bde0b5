"""The source paper's study on open software, and more of it: ``gridtoll study``.

One idea per module: :mod:`.parts.regimes` (No, Free, Social and Optimal P2P), :mod:`.parts.sweeps` (everything against the charge),
:mod:`.parts.storage` (sensitivity with and without), :mod:`.parts.charge_models`, :mod:`.parts.limits`, :mod:`.parts.accounts`,
:mod:`.parts.scaling`, :mod:`.parts.network_costs` (who pays). Each asks questions of single days (:mod:`.cells` answers them side by side
and keeps the answers) and makes tables of the answers. :mod:`.study` runs them all; :mod:`.claims` holds the paper's claims against the
tables; :mod:`.figures` and :mod:`.page` show them.
"""
