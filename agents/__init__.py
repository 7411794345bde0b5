"""Leaders: everything that posts a network charge, behind one ``predict``.

* :mod:`.policy`: the protocol.
* :mod:`.fixed.day_ahead`: zero, constant and random charges, and the best constant charge.
* :mod:`.learned.stable_baselines`: policies learned with stable-baselines3.
* :mod:`.curves.differentiable`: settlements as PyTorch functions of the charge, for leaders that climb the exact gradient.
* :mod:`.optimum`: the exact optimum with its certificate.
"""
