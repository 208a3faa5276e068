"""Ties a process to the one that started it: as a program, it becomes another program that ends with its parent.

It is started by its path and imports nothing of the house, so that it costs one bare interpreter.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent ends, also when it is killed. Only Linux can do that.

    ``parent`` is the id of the process that is expected to be it: when it has ended already, this one ends here.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the program of its own parent, without a shell
