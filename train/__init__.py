"""Training leaders, and scoring them against the exact optimum.

* :mod:`.task`: which game is played, and playing its days; :mod:`.workers` shares days out over processes.
* :mod:`.learning.learn` trains into a run folder (:mod:`.ground.runs`); :mod:`.scoring.evaluate` scores any leader;
  :mod:`.references.optima` keeps the optima it is scored against.
* :mod:`.statistics.intervals`, :mod:`.ground.text` and :mod:`.ground.plots` say what came out.
* :mod:`.cli` is the command ``gridtoll``.
"""
