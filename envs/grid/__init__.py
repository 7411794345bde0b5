"""The wires: linear power flow, losses and limits (:mod:`.grid`), and where prosumers sit in them (:mod:`.network`)."""
