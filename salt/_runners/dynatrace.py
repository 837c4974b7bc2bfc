"""
Asks the Dynatrace engine of this master what it does, and pauses, resumes or retries.

The engine owns its ledger; this runner sends it a signed event and waits for the answer on the bus. Every answer names
the engine that gave it. With several instances each answers; ``instance=<name>`` asks one.

What each returns is an interface, and described in ``docs/reference/runner.md``.
"""

# Here and nowhere later: the directory of the package is on sys.path only while this module loads.
from _dynatrace_runner import bus, checkup, post_mortem
from _dynatrace_runner import evidence as evidence_
from _dynatrace_runner import remedies as remedies_
from _dynatrace_runner import simulate as simulate_
from salt.exceptions import CommandExecutionError

TIMEOUT_S = 5
CHECK_TIMEOUT_S = 30
EVIDENCE_TIMEOUT_S = 10
REPORT_TIMEOUT_S = 10
REMEDIES_TIMEOUT_S = 60


def status(instance=None, timeout=TIMEOUT_S):
    """
    Tell whether the engine works: last poll, API, queue, pause, counters.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.status
    """
    return _asked("status", instance, timeout)


def problems(instance=None, timeout=TIMEOUT_S):
    """
    List the open problems: severity, age, minions, attempts, and what the engine waits for.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.problems
        salt-run dynatrace.problems --out=json
    """
    return _asked("problems", instance, timeout)


def show(display_id, instance=None, timeout=TIMEOUT_S):
    """
    Show one problem with its targets and every attempt on it.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.show P-2407114
    """
    return _asked("show", instance, timeout, display_id=str(display_id))


def why(display_id, instance=None, timeout=TIMEOUT_S):
    """
    Say of each process of a problem which rule decides, with its numbers, and what happens next and when.

    Of a problem that is closed it is the last decision. Nothing is changed, and no minion is asked.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.why P-2407114
        salt-run dynatrace.why P-2407114 --out=json
    """
    return _asked("why", instance, timeout, display_id=str(display_id))


def simulate(
    display_id=None,
    file=None,
    days=None,
    policy=None,
    remedies=None,
    outcomes="good",
    instance=None,
):
    """
    Say what would be done about a problem, or about those that closed of late, with another policy if given.

    ``file`` holds the body of a notification; ``days`` replays closed problems on an empty ledger, and assumes that
    each attempt ends well (``outcomes=bad``: badly). ``policy`` is a YAML file with keys of the engine's ``policy``,
    ``remedies`` one with ``dynatrace_remedies``. The tenant is only read, and nothing is written or fired.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.simulate P-2407114 policy=/root/policy.yaml
        salt-run dynatrace.simulate days=7 policy=/root/policy.yaml remedies=/root/remedies.yaml
    """
    asked = {"display_id": display_id, "file": file, "days": days, "outcomes": outcomes}
    asked |= {"policy": policy, "remedies": remedies}
    try:
        found = simulate_.collected(__opts__, instance, **asked)
    except CommandExecutionError as err:
        return _told({"error": str(err)}, True)
    return _told(found, any("error" in one for one in found.values()))


def history(instance=None, timeout=TIMEOUT_S):
    """
    List the latest attempts, newest first.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.history
    """
    return _asked("history", instance, timeout)


def remedies(instance=None, timeout=REMEDIES_TIMEOUT_S, processes=True):
    """
    Show the catalogue as the engine reads it, and what each remedy would take of the tenant's processes.

    A remedy that takes nothing, what no remedy takes, and what two remedies take are told as well.
    ``processes=False`` does not ask the tenant, which takes a request for each 500 processes and hosts.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.remedies
    """
    try:
        found = remedies_.collected(__opts__, instance, float(timeout), processes)
    except CommandExecutionError as err:
        return _told({"error": str(err)}, True)
    return _told(found, any("error" in one for one in found.values()))


def pause(reason, instance=None, timeout=TIMEOUT_S):
    """
    Let the engine act on nothing until ``resume``; it stays paused over restarts.

    Problems are still announced, and outcomes of what runs already are still recorded.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.pause reason='change CH-1234'
    """
    return _asked("pause", instance, timeout, reason=str(reason))


def resume(instance=None, timeout=TIMEOUT_S):
    """
    End a pause; what is still open is read again before it is acted on.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.resume
    """
    return _asked("resume", instance, timeout)


def retry(display_id, instance=None, timeout=TIMEOUT_S):
    """
    Have a problem decided again that was escalated or left alone, under the usual rules.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.retry P-2407114
    """
    return _asked("retry", instance, timeout, display_id=str(display_id))


def evidence(display_id, minion=None, instance=None, timeout=EVIDENCE_TIMEOUT_S):
    """
    Bring what the minions kept of a problem's failure before its service was touched.

    Status of the unit, last lines of journal and logs, listeners, largest processes, memory and
    disks, the kernel's log, threads of a JVM; of the latest attempt of which anything is kept.
    ``minion=<id>`` asks that one alone.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.evidence P-2407114
        salt-run dynatrace.evidence P-2407114 minion=web01
    """
    try:
        found = evidence_.collected(__opts__, display_id, minion, instance, float(timeout))
    except CommandExecutionError as err:
        return _told({"error": str(err)}, True)
    return _told(found, any("error" in one for one in found.values()))


def report(
    display_id=None,
    since=None,
    until=None,
    file=None,
    evidence=True,
    instance=None,
    timeout=REPORT_TIMEOUT_S,
):
    """
    Write a post-mortem as one HTML file: of a problem, or of all problems since a time.

    ``since`` and ``until`` are ``7d``, ``12h``, ``2026-11-01`` or ``2026-11-01T10:00``, in UTC. Minions are asked for what
    they kept of the failure, unless ``evidence=False``. The file is ``file=``, or one in the current directory that is
    named in the answer. With ``--out``, and where another program calls this, the facts are returned, and a file is
    written only by ``file=``.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.report P-2407114
        salt-run dynatrace.report since=7d
        salt-run dynatrace.report since=2026-11-01 until=2026-12-01 file=november.html
    """
    wanted = {"display_id": display_id, "since": since, "until": until}
    seconds = EVIDENCE_TIMEOUT_S if evidence else None
    try:
        found = post_mortem.facts(__opts__, wanted, instance, float(timeout), seconds)
        if file is not None or _is_shown():
            post_mortem.write(__opts__, found, file)
    except CommandExecutionError as err:
        return _told({"error": str(err)}, True)
    failed = any("error" in one for one in found.values())
    return _told(post_mortem.in_short(found) if _is_shown() else found, failed)


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
    return _told({"result": worst, "checks": rows}, worst == "fail")


def _asked(command, instance, timeout, **args):
    try:
        answers = bus.ask(__opts__, command, instance, timeout, args)
    except CommandExecutionError as err:
        # Raised, it would reach the admin as a traceback.
        return _told({"error": str(err)}, True)
    found = {name: _content(command, answer) for name, answer in answers.items()}
    return _told(found, any("error" in one for one in found.values()))


def _content(command, answer):
    if "error" in answer:
        return {"error": answer["error"]}
    if "facts" not in answer:
        return answer["rows"]
    if command == "why":
        return bus.joined(answer)
    return {**answer["facts"], **({"attempts": answer["rows"]} if command == "show" else {})}


def _told(found, failed):
    """
    Return what was found as data; ``salt-run`` gets its outputter's name and its exit code with it.

    Nothing lies under a key ``data``: Salt would judge it as the states of a run, and rows as failed ones.
    """
    __context__["retcode"] = int(failed)
    told = {**found, "retcode": 1} if failed else found
    return {**told, "outputter": "dynatrace"} if _is_shown() else told


def _is_shown():
    """
    Tell whether the result is for a person at a terminal, who has not named an outputter.
    """
    return not __opts__.get("output") and str(__opts__.get("fun")).startswith("dynatrace.")
