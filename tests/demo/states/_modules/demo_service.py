"""
Salt's ``service`` of a minion that may manage none of the machine's: an apache2 of its own.
"""

import subprocess

__virtualname__ = "service"


def __virtual__():
    return __virtualname__ if "demo_apache2" in __opts__ else (False, "no demo runs here")


def start(name):
    """
    Start it; ``name`` is what the remedy calls it.
    """
    return _apache2("start")


def stop(name):
    """
    Stop it, and return when it is gone.
    """
    return _apache2("graceful-stop") and _gone()


def restart(name):
    """
    Start it anew.
    """
    return stop(name) and start(name)


def _apache2(order):
    program = __opts__["demo_apache2"]
    command = [program["executable"], "-f", program["config"], "-k", order]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0


def _gone():
    waits = ["timeout", "20", "sh", "-c", 'while [ -e "$0" ]; do sleep 0.05; done']
    waits.append(__opts__["demo_apache2"]["pid_file"])
    return subprocess.run(waits, timeout=60, check=False).returncode == 0
