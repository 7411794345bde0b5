"""What only training and evaluation can find wrong, and what an error says about the algorithm it came from."""

from __future__ import annotations

import errno
from typing import Final

from ...envs.packages import MissingPackageError

_OF_THE_MACHINE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.ESTALE})


class ModelMismatchError(RuntimeError):
    """A policy earned more than the certified upper bound, so environment and optimum do not compute the same thing."""


def is_for_want_of_a_package(error: BaseException) -> bool:
    """Return whether an error says that a package is not here: the training could not run, which is not the same as having failed."""
    return isinstance(error, MissingPackageError | ModuleNotFoundError)


def is_not_the_algorithms(error: BaseException) -> bool:
    """Return whether an error is the machine's, or a sign that a score of ours is wrong; it then says nothing about an algorithm."""
    return isinstance(error, ModelMismatchError | MemoryError) or (isinstance(error, OSError) and error.errno in _OF_THE_MACHINE)
