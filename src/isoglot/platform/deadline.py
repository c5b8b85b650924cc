"""A limit on the time that a block of Python code takes, on every platform and in every thread."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class DeadlineError(Exception):
    """The time was over before the block was done."""


class _TimeOver(BaseException):
    """Raised inside the block; no `except Exception` of a library stops it."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End the block after some seconds, at the next instruction of Python code: a call into C is waited for.

    Signals would end it too, but neither on Windows nor outside of the main thread.

    Args:
        seconds: The most that the block may take.

    Raises:
        DeadlineError: It took longer.
    """
    lock, done = threading.Lock(), False
    thread = threading.get_ident()

    def end() -> None:
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_TimeOver))

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            with lock:
                done = True
            timer.cancel()
    except _TimeOver:
        raise DeadlineError(f"took more than {seconds:g} seconds") from None
