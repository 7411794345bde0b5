"""Network charges for peer-to-peer energy trading: environments, leaders and the exact bilevel optimum.

A grid operator (the leader) posts network charges, prosumers (the followers) then clear their market, exactly. The parts:

* :mod:`gridtoll.envs`: grids, communities, days, tariffs, the market clearing, its settlement, and the Gymnasium environments.
* :mod:`gridtoll.agents`: leaders: fixed charges, learned policies, and the exact optimum with its certificate.
* :mod:`gridtoll.train`: training, evaluation against the optimum, statistics, plots and the command ``gridtoll``.

Nothing is imported here, so that ``import gridtoll`` costs nothing and each part loads only what it needs.
"""

__version__ = "0.1.0"
