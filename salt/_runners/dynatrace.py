"""
Asks the Dynatrace engine of this master what it does, and pauses, resumes or retries.

The engine owns its ledger; this runner sends it a signed event and waits for the answer on the bus. Every answer names
the engine that gave it. With several instances each answers; ``instance=<name>`` asks one.

.. code-block:: bash

    salt-run dynatrace.status
    salt-run dynatrace.problems
    salt-run dynatrace.show P-2407114
    salt-run dynatrace.history
    salt-run dynatrace.pause reason='change CH-1234'
    salt-run dynatrace.resume
    salt-run dynatrace.retry P-2407114
    salt-run dynatrace.check

What each returns is an interface, and described in ``docs/reference/runner.md``.
"""

# Siblings are imported here and nowhere later: their directory is on sys.path only while this module loads.
from _dynatrace_runner import bus, checkup, table
from salt.exceptions import CommandExecutionError

TIMEOUT_S = 5
CHECK_TIMEOUT_S = 30


def status(instance=None, timeout=TIMEOUT_S):
    """
    Tell whether the engine works: last poll, API, queue, pause, counters.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.status
    """
    return _facts("status", instance, timeout)


def problems(instance=None, timeout=TIMEOUT_S):
    """
    List the open problems: severity, age, minions, attempts, and what the engine waits for.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.problems
        salt-run dynatrace.problems --out=json
    """
    columns = ("problem", "severity", "age_s", "minions", "attempts", "state")
    return _rows("problems", columns, instance, timeout)


def show(display_id, instance=None, timeout=TIMEOUT_S):
    """
    Show one problem with its targets and every attempt on it.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.show P-2407114
    """
    return _facts("show", instance, timeout, rows="attempts", display_id=str(display_id))


def history(instance=None, timeout=TIMEOUT_S):
    """
    List the latest attempts, newest first.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.history
    """
    columns = ("created", "problem", "minions", "attempt", "state", "took_ms")
    return _rows("history", columns, instance, timeout)


def pause(reason, instance=None, timeout=TIMEOUT_S):
    """
    Let the engine act on nothing until ``resume``; it stays paused over restarts.

    Problems are still announced, and outcomes of what runs already are still recorded.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.pause reason='change CH-1234'
    """
    return _facts("pause", instance, timeout, reason=str(reason))


def resume(instance=None, timeout=TIMEOUT_S):
    """
    End a pause; what is still open is read again before it is acted on.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.resume
    """
    return _facts("resume", instance, timeout)


def retry(display_id, instance=None, timeout=TIMEOUT_S):
    """
    Have a problem decided again that was escalated or left alone, under the usual rules.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.retry P-2407114
    """
    return _facts("retry", instance, timeout, display_id=str(display_id))


def check(timeout=CHECK_TIMEOUT_S):
    """
    Check an installation: what the master is configured with, engine, tenant, webhook and minions.

    Each line is ``ok``, ``warn`` or ``fail``, with what to do; nothing is changed, and no secret is
    shown. A few minions are asked which modules they have. It takes at most ``timeout`` seconds, and
    some for the start.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.check
        salt-run dynatrace.check --out=json
    """
    rows = checkup.rows(__opts__, float(timeout))
    worst = max((row["result"] for row in rows), key=("ok", "warn", "fail").index)
    checks = table.report(rows) if _is_read_by_people() else rows
    found = {"result": worst, "checks": checks}
    return {**found, "retcode": 1} if worst == "fail" else found


def _facts(command, instance, timeout, rows=None, **args):
    found = {}
    try:
        answers = bus.ask(__opts__, command, instance, timeout, args)
    except CommandExecutionError as err:
        return _checked(str(err))  # Raised, it would reach the admin as a traceback.
    for name, answer in answers.items():
        facts = answer.get("facts") or {"error": answer.get("error", "an empty answer")}
        found[name] = {**facts, **({rows: answer["rows"]} if rows and "facts" in answer else {})}
    return _checked(table.harmless(found) if _is_read_by_people() else found)


def _rows(command, columns, instance, timeout):
    """
    Return the rows of each engine; on a terminal as a table of at most 100 columns.
    """
    try:
        answers = bus.ask(__opts__, command, instance, timeout, {})
    except CommandExecutionError as err:
        return _checked(str(err))
    found = {
        name: answer["rows"] if "error" not in answer else {"error": answer["error"]}
        for name, answer in answers.items()
    }
    if _is_read_by_people():
        # Salt's own table outputter cannot leave columns out; other outputters get the rows whole.
        return _checked({name: table.table(rows, columns) for name, rows in found.items()})
    return _checked(found)


def _is_read_by_people():
    return __opts__.get("output") in (None, "nested", "highstate")


def _checked(found):
    """
    Return what is shown, with the code that ``salt-run`` exits with if it is, or holds, an error.
    """
    if isinstance(found, str):
        return {"error": found, "retcode": 1}
    if any(isinstance(it, dict) and "error" in it for it in found.values()):
        return {**found, "retcode": 1}
    return found
