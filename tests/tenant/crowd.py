"""
Thousands of machines and problems, made in a moment: each problem is about a process of its own on a host of its own.

    with Tenant(page_size=None, keep_bodies=True) as tenant:
        machines = add_machines(tenant, 10_000)
        problems = open_problems(tenant, machines, mixed=True)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from tests.tenant.problem import Problem

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

#: Severity, the most severe first -> event type and title of such a problem of a process; but for the first they are synthetic.
KINDS = {
    "AVAILABILITY": ("PGI_UNAVAILABLE", "Process unavailable"),
    "ERROR": ("PROCESS_CRASHED", "Process crashed"),
    "PERFORMANCE": ("PGI_SLOWDOWN", "Process slow"),
    "RESOURCE_CONTENTION": ("PGI_MEMORY_RESOURCES_EXHAUSTED", "Memory resources exhausted"),
}


def host_id(number: int) -> str:
    """
    Give the id of the HOST of a machine, which its minion has as a grain.
    """
    return f"HOST-{number:016X}"


def address(number: int) -> str:
    """
    Give the address of a machine, which its minion has as well.
    """
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def add_machines(tenant: Tenant, count: int, first: int = 0) -> list[str]:
    """
    Add hosts web00000.example.com and so on, an apache2 on each; give the ids of the processes.
    """
    found = []
    for number in range(first, first + count):
        name = f"web{number:05}.example.com"
        host = tenant.add_host(name, ip=[address(number)], host_id=host_id(number))
        process = f"PROCESS_GROUP_INSTANCE-{number:016X}"
        found.append(tenant.add_process(host, process_id=process))
    return found


def open_problems(
    tenant: Tenant, processes: Sequence[str], *, mixed: bool = False
) -> list[Problem]:
    """
    Open a problem on each process: of AVAILABILITY, or `mixed`, of each severity in turn.
    """
    severities = cycle(KINDS if mixed else ["AVAILABILITY"])
    opened = []
    for process, severity in zip(processes, severities, strict=False):
        event_type, title = KINDS[severity]
        problem = tenant.open_problem(process, title, severity=severity, event_type=event_type)
        opened.append(problem)
    return opened
