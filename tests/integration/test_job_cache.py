"""
A real master whose job cache only others can read: nothing is ordered, and it is said where an admin looks.
"""

from __future__ import annotations

from tests.integration.bus_stage import BusStage

SAID = "the job cache cannot be read"


def test_a_returner_that_is_gone_orders_nothing_and_is_named() -> None:
    """
    The master goes on with a returner that it does not find, and files no return at all.
    """
    with BusStage(ext_job_cache="gone") as stage:
        problem = stage.tenant.open_problem(stage.process)
        opened = stage.salt.events.wait_for(f"dynatrace/problem/open/*/{problem.display_id}", 60)
        assert opened.data["minions"] == []
        assert [one["reason"] for one in opened.data["held"]] == ["job cache unreadable"]
        stage.until(lambda: stage.log(SAID), 30, "it is said")
        lines = stage.salt.run("dynatrace.check", timeout=20)["checks"]
        (line,) = [one for one in lines if one["check"] == "job cache"]
        assert line["result"] == "fail"
        assert "`ext_job_cache` names the returner gone" in line["detail"]
        assert stage.attempts(problem) == []
        assert stage.log(SAID) == 1
