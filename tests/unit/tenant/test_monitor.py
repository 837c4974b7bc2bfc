"""
The monitor, with a real web server that is started and stopped.
"""

from __future__ import annotations

import pytest

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Receiver

_FAST = {"interval": 0.02, "open_after": 0.1, "close_after": 0.1, "timeout": 1.0}


def _happened(tenant: Tenant) -> list[str]:
    words = ("monitor", "probe", "problem")
    return [entry.what for entry in tenant.journal if entry.what.split()[0] in words]


def test_a_dead_server_raises_a_problem_that_closes_when_it_answers_again(
    tenant: Tenant, process: str
) -> None:
    """Each step is in the journal, and the problem begins when the first probe failed."""
    server = Receiver(status=200)
    monitor = tenant.monitor(process, server.url, **_FAST)
    tenant.wait_for("monitor started")
    server.stop()
    opened = tenant.wait_for("problem opened")
    failed = tenant.wait_for("probe failed")
    problem = tenant.problems[0]
    assert monitor.problem is problem
    assert opened.at - failed.at >= 0.09
    assert problem.start / 1000 <= failed.at
    assert problem.affected == [process]
    again = Receiver(status=200, port=server.port)
    tenant.wait_for("problem closed")
    again.stop()
    assert problem.status == "CLOSED"
    steps = ["monitor started", "probe failed", "problem opened"]
    assert _happened(tenant)[:5] == [*steps, "probe answered", "problem closed"]


def test_a_short_outage_raises_nothing(tenant: Tenant, process: str) -> None:
    """What lasts less than `open_after` is seen by the probe only."""
    server = Receiver(status=200)
    delays = {**_FAST, "open_after": 5.0}
    tenant.monitor(process, server.url, **delays)
    tenant.wait_for("monitor started")
    server.stop()
    tenant.wait_for("probe failed")
    again = Receiver(status=200, port=server.port)
    tenant.wait_for("probe answered")
    again.stop()
    assert tenant.problems == []


@pytest.mark.parametrize(("within", "problems"), [(0.0, 2), (60.0, 1)])
def test_a_second_outage_is_a_new_problem_or_the_old_one_again(
    tenant: Tenant, receiver: Receiver, process: str, within: float, problems: int
) -> None:
    """Within the reopening period the id stays the same."""
    receiver.status = 200
    tenant.monitor(process, receiver.url, reopen_within=within, **_FAST)
    for number in (1, 2):
        receiver.status = 500
        tenant.wait_for(lambda: any(one.status == "OPEN" for one in tenant.problems))
        receiver.status = 200
        tenant.wait_for("problem closed", count=number)
    assert len(tenant.problems) == problems


def test_a_status_of_500_counts_as_no_answer_and_404_as_one(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """What counts can be changed."""
    receiver.status = 404
    monitor = tenant.monitor(process, receiver.url, **_FAST)
    tenant.wait_for("monitor started")
    monitor.stop()
    assert monitor.answering
    strict = tenant.monitor(process, receiver.url, worst_status=399, **_FAST)
    tenant.wait_for("problem opened")
    assert strict.answering is False


def test_a_problem_closed_by_hand_stays_closed_during_the_outage(
    tenant: Tenant, process: str
) -> None:
    """The monitor raises the next one only after the server has answered in between."""
    server = Receiver(status=500)
    tenant.monitor(process, server.url, **_FAST)
    tenant.wait_for("problem opened")
    tenant.close_problem(tenant.problems[0])
    server.status = 200
    tenant.wait_for("probe answered")
    assert len(tenant.problems) == 1
    server.stop()


def test_the_whole_story_is_told_to_a_webhook(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Down, told, up again, told."""
    tenant.add_webhook(receiver.url)
    server = Receiver(status=200)
    tenant.monitor(process, server.url, **_FAST)
    tenant.wait_for("monitor started")
    server.stop()
    tenant.wait_for("notification sent")
    again = Receiver(status=200, port=server.port)
    tenant.wait_for("notification sent", count=2)
    again.stop()
    assert [body["State"] for body in receiver.bodies()] == ["OPEN", "RESOLVED"]
