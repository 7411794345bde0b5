"""Leaders: everything that posts a network charge, behind one ``predict``.

* :mod:`.policy`: the protocol.
* :mod:`.baselines`: zero, constant and random charges, and the best constant charge.
* :mod:`.learned`: policies learned with stable-baselines3.
* :mod:`.differentiable`: settlements as PyTorch functions of the charge, for leaders that climb the exact gradient.
* :mod:`.optimum`: the exact optimum with its certificate.
"""
