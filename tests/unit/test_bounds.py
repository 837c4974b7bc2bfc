"""
Every request, wait and subprocess of the product has a bound, or stands here with the reason why it may wait.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.bounds import unbounded

REPO = Path(__file__).parents[2]
FILES = sorted([*(REPO / "_engines").rglob("*.py"), *(REPO / "salt").rglob("*.py")])

_MEMORY = "held only for a few steps in memory"
_BUS = "Salt connects; a publisher that hangs is noticed by its silence, and said"
_BY_HAND = "run by hand; it asks on as long as the minion says that the job runs, whose own steps are bounded"
_OWN = "a function of this project, which is looked at itself"
#: (file, function, what is called): why it may wait for ever. A lock stands once for its file.
ALLOWED = {
    (
        "_engines/dynatrace.py",
        "_sleep",
        "pause",
    ): "a wrong configuration: until the master restarts",
    ("_engines/dynatrace.py", "_connect_to_fire", "get_event"): _BUS,
    ("_engines/dynatrace.py", "_connect_to_listen", "get_event"): _BUS,
    ("_engines/_dynatrace/master/event_objects.py", "_receive", "recv"): (
        "bounded by the timeout of who asks, and the subscriber always has one"
    ),
    ("_engines/dynatrace.py", "_publish", "cmd_async"): (
        "bounded by the master's own `timeout`, in a thread that does nothing else"
    ),
    ("_engines/_dynatrace/master/job_cache.py", "through.ask", "[full]"): (
        "the returner of the job cache, without which the master itself does nothing"
    ),
    ("_engines/_dynatrace/engine/startup.py", "open_ledger", "sleep"): (
        "until an earlier process of the engine is gone, which is said; two on one ledger act twice"
    ),
    ("_engines/_dynatrace/core/metrics.py", "", "with _lock"): _MEMORY,
    ("_engines/_dynatrace/api/rate_limiter.py", "", "with _lock"): _MEMORY,
    ("_engines/_dynatrace/master/delivery.py", "", "with _lock"): _MEMORY,
    ("_engines/_dynatrace/master/host_matching.py", "", "with _lock"): _MEMORY,
    (
        "_engines/_dynatrace/master/minion_index.py",
        "MinionIndex.run",
        "sleep",
    ): "the pause of that thread",
    ("_engines/_dynatrace/webhook/salt_api_hook.py", "", "with _changed"): _MEMORY,
    (
        "_engines/_dynatrace/webhook/salt_api_hook.py",
        "Hook.run",
        "sleep",
    ): "the pause of that thread",
    ("_engines/_dynatrace/webhook/recorder.py", "", "with _changed"): _MEMORY,
    ("_engines/_dynatrace/store/database.py", "", "with _lock"): (
        "held over one transaction, which waits for no network and 10 s for another reader of the file"
    ),
    ("_engines/_dynatrace/store/fair_lock.py", "FairLock.__enter__", "acquire"): (
        "the lock of the ledger, as above"
    ),
    ("_engines/_dynatrace/store/durable_log.py", "", "with _lock"): (
        "held over one sync of the disk, as a commit is"
    ),
    (
        "_engines/_dynatrace/master/minion_queries.py",
        "MinionQueries.run",
        "sleep",
    ): "the pause of that thread",
    (
        "_engines/_dynatrace/master/subscriber.py",
        "Subscriber.run",
        "sleep",
    ): "the pause of a thread that hears for ever",
    ("_engines/_dynatrace/remediation/entities.py", "", "with _lock"): _MEMORY,
    ("_engines/_dynatrace/remediation/entities.py", "Entities.prefetch", "result"): (
        "of a few requests, each with its deadline, in a thread that reads"
    ),
    ("_engines/_dynatrace/remediation/readings.py", "Readings._result", "result"): (
        "only of a reading that is done"
    ),
    ("salt/_utils/_dynatrace_utils/oneagent/signature.py", "_verify_signature", "Popen"): (
        "a timer kills it, and with it ends what is written to it"
    ),
    (
        "salt/_utils/_dynatrace_utils/oneagent/signature.py",
        "_verify_signature",
        "wait",
    ): "the same timer",
    ("salt/_utils/_dynatrace_utils/remedy/evidence.py", "Evidence._said", "Popen"): (
        "a timer kills it with all that it began, in a thread that nobody waits for longer"
    ),
    ("salt/_utils/_dynatrace_utils/remedy/evidence.py", "keep", "wait"): (
        "until the time of the evidence is over, which began with it"
    ),
    ("salt/_utils/_dynatrace_utils/service/unit.py", "client", "Popen"): (
        "who gives the order looks at the clock, and it is killed in the end"
    ),
    ("salt/_utils/_dynatrace_utils/oneagent/signature.py", "_text", "cp.get_file_str"): (
        "the minion's file client has timeouts and retries of its own"
    ),
    ("salt/_utils/_dynatrace_utils/tenant/planned_change.py", "_host_ids", "saltutil.runner"): (
        "reads the master's cache of grains"
    ),
    ("salt/_states/dynatrace_oneagent.py", "_tell_master", "saltutil.refresh_grains"): (
        "only tells the minion's main process"
    ),
    ("salt/_utils/_dynatrace_utils/remedy/probe.py", "_pieces", "recv"): (
        "the socket's timeout is set to what is left before each"
    ),
    ("salt/_utils/_dynatrace_utils/remedy/site_sls.py", "_in_child", "recv"): (
        "who calls it ends the child in time, and with the child this"
    ),
    ("salt/_states/_dynatrace_states/steps.py", "run", "saltutil.cmd"): _BY_HAND,
    ("salt/_states/_dynatrace_states/steps.py", "ask", "[function]"): _OWN,
    ("salt/_states/dynatrace_setup.py", "_tenant", "[function]"): _OWN,
    ("salt/_runners/_dynatrace_runner/bus.py", "ask", "get_event"): "run by hand; Salt connects",
    ("salt/_runners/dynatrace_listener.py", "_test", "get_event"): "run by hand; Salt connects",
}


def found() -> dict[tuple[str, str, str], str]:
    """
    Return all calls of the product that have no bound, by what `ALLOWED` calls them, with their place.
    """
    calls = {}
    for path in FILES:
        name = path.relative_to(REPO).as_posix()
        for wait in unbounded(path.read_text(encoding="utf-8")):
            function = "" if wait.called.startswith("with ") else wait.function
            calls[name, function, wait.called] = (
                f"{name}:{wait.line} {wait.function}: {wait.called}"
            )
    return calls


def test_whatever_may_wait_has_a_bound() -> None:
    """
    Or a reason. At night nobody is there to end what hangs.
    """
    assert len(FILES) > 60
    assert [place for key, place in found().items() if key not in ALLOWED] == []


def test_no_exception_outlives_its_call() -> None:
    """
    The list grows only by what is there.
    """
    assert sorted(ALLOWED.keys() - found().keys()) == []


UNBOUNDED = [
    "requests.get(url)",
    "session.request('GET', url, timeout=None)",
    "self._session.post(url, json={})",
    "urllib.request.urlopen(url)",
    "http.client.HTTPConnection(host, 80)",
    "http.client.HTTPSConnection(host, context=context)",
    "socket.create_connection(place)",
    "connection.recv(100)",
    "subprocess.run(['true'])",
    "subprocess.check_output(['true'])",
    "subprocess.Popen(['true'])",
    "process.communicate()",
    "process.wait()",
    "self._wake.wait()",
    "self._wake.wait(None if due is None else due)",
    "self._changed.wait(timeout=None)",
    "tasks.get()",
    "tasks.get(timeout=step if busy else None)",
    "future.result()",
    "thread.join()",
    "lock.acquire()",
    "self._pool.map(one, keys)",
    "sqlite3.connect(path)",
    "fcntl.flock(file, fcntl.LOCK_EX)",
    "signal.pause()",
    "bus.get_event(tag='x')",
    "bus.fire_event(data, tag)",
    "client.cmd('*', 'test.ping')",
    "client.cmd_async('*', 'test.ping')",
    "__salt__['cmd.run_all'](['true'])",
    "__salt__['cmd.run'](['true'], timeout=5)",
    "__salt__['service.restart']('apache2')",
    "__salt__['state.apply']('x', queue=True)",
    "__salt__[name]()",
    "runners['jobs.list_job'](jid)",
    "while True:\n    time.sleep(1)",
    "while not ready():\n    if broken():\n        break\n    time.sleep(1)",
    "with self._lock:\n    pass",
]


@pytest.mark.parametrize("text", UNBOUNDED)
def test_a_call_without_a_bound_is_found(text: str) -> None:
    """
    In a function of a class, as the product has them.
    """
    body = "\n".join(f"        {line}" for line in text.splitlines())
    (wait,) = unbounded(f"class Some:\n    def one(self):\n{body}\n")
    assert wait.function == "Some.one"


@pytest.mark.parametrize(
    "text",
    [
        "requests.get(url, timeout=5)",
        "session.request('GET', url, timeout=(5, 20))",
        "headers.get('Retry-After')",
        "', '.join(names)",
        "os.path.join(a, b)",
        "subprocess.run(['true'], timeout=5)",
        "self._wake.wait(5)",
        "tasks.get(timeout=5)",
        "tasks.get_nowait()",
        "future.result(max(until - time.monotonic(), 0.1))",
        "thread.join(5)",
        "lock.acquire(timeout=5)",
        "sqlite3.connect(path, timeout=10)",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "bus.get_event(wait=5, tag='x')",
        "client.cmd('*', 'test.ping', timeout=5)",
        "__utils__['dynatrace_bounded.call'](30, __salt__['cmd.run_all'], ['true'])",
        "__salt__['config.get']('x')",
        "while True:\n    if time.monotonic() > until:\n        break\n    time.sleep(1)",
        "for _ in range(3):\n    time.sleep(1)",
    ],
)
def test_a_call_with_a_bound_is_none(text: str) -> None:
    """
    Nor is what only has the name of one.
    """
    assert unbounded(text) == []
