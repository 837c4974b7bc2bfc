"""
The workflows that run: an execution for each problem that opens, opens again, or closes.

States and bodies of executions are those of the API's own description. Each workflow runs one
execution after the other here; in reality they run beside each other.
"""

from __future__ import annotations

import copy
import functools
import time
import uuid
from collections.abc import Mapping
from typing import Any

from tests.tenant.core import Switches
from tests.tenant.platform.access import PlatformAccess
from tests.tenant.platform.actions import ACTIONS, Around, Sent, TaskError
from tests.tenant.platform.dql.values import moment, shown
from tests.tenant.platform.expressions import ExpressionError, evaluated
from tests.tenant.platform.grail.problem_records import problem_record
from tests.tenant.platform.triggers import delay, once, trigger_of, wanted
from tests.tenant.problem import Problem
from tests.tenant.sender import Outbox
from tests.tenant.webhook import Delivery


class Workflows(PlatformAccess):
    """
    The layer that runs workflows; `executions` are those so far, by id, in their order.
    """

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.workflows: dict[str, dict[str, Any]] = {}
        #: Entries of the credential vault, their tokens among them.
        self.vault: dict[str, dict[str, Any]] = {}
        self.executions: dict[str, dict[str, Any]] = {}
        self._outboxes: dict[str, Outbox] = {}
        self._fired: set[tuple[str, str]] = set()

    def workflow_event(self, problem: Problem) -> dict[str, Any]:
        """
        Give a problem as the event of a workflow: its record, with a whole number as severity.
        """
        record = problem_record(problem, self)
        return {**shown(record), "event.severity": record.get("event.severity")}

    def notify(self, problem: Problem, state: str = "OPEN", *, times: int = 1) -> list[Delivery]:
        """
        Tell every webhook and every workflow now, whatever the problem's status; give the outcomes.
        """
        sent = super().notify(problem, state, times=times)
        event = self.workflow_event(problem)
        event["event.status"] = "ACTIVE" if state == "OPEN" else "CLOSED"
        before = len(self.deliveries)
        for workflow_id in list(self.workflows):
            for _ in range(times):
                self.run_workflow(workflow_id, event, state)
        own = [one for one in self.deliveries[before:] if one.problem_id == problem.problem_id]
        return [*sent, *own]

    def run_workflow(
        self, workflow_id: str, event: Mapping[str, Any], state: str = "OPEN"
    ) -> dict[str, Any]:
        """
        Carry out a workflow now, whatever its trigger says; give the execution.
        """
        with self.lock:
            workflow = copy.deepcopy(self.workflows[workflow_id])
            execution = _begun(workflow, event)
            self.executions[execution["id"]] = execution
        for name, task in workflow["tasks"].items():
            execution["tasks"][name] = self._run_task(task, event, state)
        failed = any(task["state"] == "ERROR" for task in execution["tasks"].values())
        execution["endedAt"] = moment(time.time_ns())
        execution["state"] = "ERROR" if failed else "SUCCESS"
        self.log.add(
            "workflow failed" if failed else "workflow succeeded",
            title=workflow["title"],
            problem_id=event.get("event.id"),
            state=state,
            tasks={name: task["stateInfo"] for name, task in execution["tasks"].items()},
        )
        return execution

    def stop_sending(self) -> None:
        """
        End the sender threads.
        """
        super().stop_sending()
        with self.lock:
            outboxes, self._outboxes = self._outboxes, {}
        for outbox in outboxes.values():
            outbox.close()

    def _happened(self, what: str, problem: Problem, state: str | None, **detail: Any) -> None:
        super()._happened(what, problem, state, **detail)
        if state is None:
            return
        with self.lock:
            for workflow_id, workflow in self.workflows.items():
                trigger = trigger_of(workflow)
                if trigger is not None:
                    self._fire(workflow_id, trigger, problem)

    def _fire(self, workflow_id: str, trigger: Mapping[str, Any], problem: Problem) -> None:
        key = (workflow_id, once(problem))
        record = problem_record(problem, self)
        if key in self._fired or not wanted(trigger, problem, record, self):
            return
        self._fired.add(key)
        closed = problem.status == "CLOSED"
        wait = 0.0 if closed else delay(trigger, self)
        if workflow_id not in self._outboxes:
            self._outboxes[workflow_id] = Outbox()
        state = "RESOLVED" if closed else "OPEN"
        # What waits is written when it is sent, else it would tell an old state.
        event = None if wait else self.workflow_event(problem)
        send = functools.partial(self._execute, workflow_id, problem, state, event)
        self._outboxes[workflow_id].put(wait, problem.problem_id, state, send)

    def _execute(
        self, workflow_id: str, problem: Problem, state: str, event: dict[str, Any] | None
    ) -> None:
        if event is None and problem.status == "CLOSED":
            return
        if self.faults.take("lost_notification"):
            self.log.add("notification lost", problem=problem.display_id, state=state)
            return
        twice = self.faults.take("duplicate_notification")
        for _ in range(twice.options["copies"] if twice else 1):
            if workflow_id in self.workflows:
                self.run_workflow(workflow_id, event or self.workflow_event(problem), state)

    def _run_task(
        self, task: Mapping[str, Any], event: Mapping[str, Any], state: str
    ) -> dict[str, Any]:
        retry = task.get("retry") or {}
        for left in range(int(retry.get("count", 0)), -1, -1):
            told = self._tried(task, event, state)
            if told["state"] == "SUCCESS" or not left:
                break
            time.sleep(retry.get("delay", 0) * self.switches.workflow_second)
        return told

    def _tried(
        self, task: Mapping[str, Any], event: Mapping[str, Any], state: str
    ) -> dict[str, Any]:
        action = ACTIONS.get(task["action"])
        name = {"name": task["name"], "action": task["action"]}
        begin = time.monotonic()
        try:
            if action is None:
                raise TaskError(f"The action {task['action']} is not modelled.")
            given = evaluated(task.get("input") or {}, event)
            sent = action(given, Around(self, self.vault))
        except (TaskError, ExpressionError) as err:
            return {**name, "state": "ERROR", "stateInfo": str(err), "result": None}
        self._keep_delivery(sent, str(event.get("event.id")), state, time.monotonic() - begin)
        status = sent.outcome.status
        return {
            **name,
            "state": "ERROR" if sent.failed else "SUCCESS",
            "stateInfo": sent.outcome.error or f"HTTP {status}",
            "result": {"status_code": status},
        }

    def _keep_delivery(self, sent: Sent, problem_id: str, state: str, seconds: float) -> None:
        status, error = sent.outcome.status, sent.outcome.error
        at = time.time() - seconds
        delivery = Delivery(sent.url, status, at, state, problem_id, seconds, sent.body, error)
        with self.lock:
            self._deliveries.append(delivery)


def _begun(workflow: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "workflow": workflow["id"],
        "title": workflow["title"],
        "state": "RUNNING",
        "startedAt": moment(time.time_ns()),
        "endedAt": None,
        "triggerType": "Event",
        "params": {"event": dict(event)},
        "tasks": {},
    }
