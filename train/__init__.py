"""Training leaders, and scoring them against the exact optimum.

* :mod:`.task`: which game is played, and playing its days; :mod:`.workers` shares days out over processes.
* :mod:`.learn` trains into a run folder (:mod:`.runs`); :mod:`.evaluate` scores any leader; :mod:`.optima` keeps the optima it is scored
  against.
* :mod:`.statistics`, :mod:`.report` and :mod:`.plots` say what came out.
* :mod:`.cli` is the command ``gridtoll``.
"""
