"""
What a host is like at this moment, in words: who listens, the largest processes, memory and disks.
"""

import contextlib
import os
import time

try:
    import psutil
except ImportError:
    psutil = None

LARGEST = 10


def listeners():
    """
    Return who listens for TCP connections, a line each.
    """
    rows = []
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN:
            name = psutil.Process(one.pid).name() if one.pid and psutil.pid_exists(one.pid) else "?"
            rows.append(f"{one.laddr.ip} port {one.laddr.port}  pid {one.pid or '?'}  {name}")
    return "\n".join(sorted(rows))


def processes():
    """
    Return the processes that have most memory, a line each.
    """
    # Not their command lines and never their environment: there are secrets in them.
    wanted = ["pid", "name", "username", "memory_info", "status", "create_time"]
    found = [one.info for one in psutil.process_iter(wanted) if one.info["memory_info"]]
    found.sort(key=lambda info: info["memory_info"].rss, reverse=True)
    return "\n".join(
        f"{info['memory_info'].rss // 2**20:>8} MiB  pid {info['pid']}  {info['name']}  {info['username']}  "
        f"{info['status']}  since {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(info['create_time']))}"
        for info in found[:LARGEST]
    )


def memory():
    """
    Return how full memory, swap and disks are, and the load.
    """
    main, swap = psutil.virtual_memory(), psutil.swap_memory()
    lines = [
        f"memory {main.total // 2**20} MiB, available {main.available // 2**20} MiB",
        f"swap {swap.total // 2**20} MiB, used {swap.used // 2**20} MiB",
        "load {} {} {}".format(*os.getloadavg()),
    ]
    for part in psutil.disk_partitions():
        with contextlib.suppress(OSError):
            usage = psutil.disk_usage(part.mountpoint)
            lines.append(f"{part.mountpoint}  {usage.percent:g} % of {usage.total // 2**20} MiB")
    return "\n".join(lines)
