"""
Where processes listen by TCP, who listens on a port, and whether it is full.
"""

from __future__ import annotations

import ipaddress
import os
import sys

try:
    import psutil
except ImportError:
    psutil = None

# Of /proc/net.
TABLES, LISTEN = ("tcp", "tcp6"), "0A"


def listening(pids):
    """
    Return where processes listen, each ``[address, port]``; all are in one net namespace.

    It is asked of the kernel by their own namespace, so a service with a net of its own is seen too.
    """
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    found = []
    for table in TABLES if inodes else ():
        for address, port, inode in _table(pids, table):
            if inode in inodes and [address, port] not in found:
                found.append([address, port])
    return found


def listens_on(addresses, ports):
    """
    Tell whether one of the addresses has one of the ports.
    """
    return any(port in (ports or ()) for _, port in addresses)


def listeners(ports):
    """
    Return the ports that are held and the pids of those that hold them; 0 for who cannot be seen.
    """
    return {
        (connection.laddr.port, connection.pid or 0)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in (ports or ())
    }


def _sockets(pid):
    try:
        entries = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for entry in entries:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{entry}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def is_full(port):
    """
    Tell whether connections wait at a listening port for somebody to take them.

    Linux drops what comes when there is no room for one more, and so may a firewall: this tells them apart.
    """
    rows = [row for table in TABLES for row in _rows("self", table)]
    # Of a socket that listens the queue of what was received are the connections.
    return any(_place(row[1])[1] == port and int(row[4].partition(":")[2], 16) for row in rows)


def _table(pids, table):
    rows = next(filter(None, (_rows(pid, table) for pid in pids)), [])
    return [(*_place(row[1]), row[9]) for row in rows]


def _rows(pid, table):
    try:
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            return [row for row in map(str.split, file) if row[3] == LISTEN]
    except OSError:
        return []


def _place(text):
    # The kernel prints an address as words in the machine's own byte order.
    address, _, port = text.partition(":")
    words = [bytes.fromhex(address[at : at + 8]) for at in range(0, len(address), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return str(ipaddress.ip_address(packed)), int(port, 16)
