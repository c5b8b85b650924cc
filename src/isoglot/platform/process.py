"""What the operating system says of this process."""

from __future__ import annotations

import os
import sys


def peak_memory_mib() -> float | None:
    """Return the most memory that this process has held at once, in MiB; None where the system does not say."""
    if sys.platform == "win32":
        return _peak_mib_on_windows()
    try:
        import resource  # not on Windows, and not in every Python
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _peak_mib_on_windows() -> float | None:
    """Return the PeakWorkingSetSize of kernel32's K32GetProcessMemoryInfo in MiB; None where the call fails."""
    if sys.platform != "win32":  # for the type checker, which knows `ctypes.windll` on Windows only
        return None
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS."""

        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            *(
                (name, ctypes.c_size_t)
                for name in (
                    "PeakWorkingSetSize",
                    "WorkingSetSize",
                    "QuotaPeakPagedPoolUsage",
                    "QuotaPagedPoolUsage",
                    "QuotaPeakNonPagedPoolUsage",
                    "QuotaNonPagedPoolUsage",
                    "PagefileUsage",
                    "PeakPagefileUsage",
                )
            ),
        )

    kernel32 = ctypes.windll.kernel32
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    kernel32.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    if not kernel32.K32GetProcessMemoryInfo(kernel32.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return None
    return float(counters.PeakWorkingSetSize) / 1024**2


def is_running(pid: int) -> bool:
    """Return whether a process of this machine has the id `pid`."""
    if sys.platform == "win32":  # where os.kill(pid, 0) is Ctrl-C
        import ctypes

        query_limited_information = 0x1000
        handle = ctypes.windll.kernel32.OpenProcess(query_limited_information, False, pid)
        return bool(handle and ctypes.windll.kernel32.CloseHandle(handle))
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
