"""
States from which a remedy reads as a story.

.. code-block:: yaml

    attempt taken -> found not serving -> configuration tested -> restarted -> answers -> finished

Each one fails with a comment that says why. They are chained by ``require`` (a failure ends the
story) and ``onchanges`` (a story that is over, or needs no telling, is skipped): some releases of
Salt treat a failed ``onchanges`` as "no changes", so neither does for both.
"""

import os
import time

from salt.exceptions import CommandExecutionError

# What a log line may hold of a test's output.
LAST_LINES = 10
SERVER_ERROR = 500
PAUSE_S = 0.05
# For other state runs; the engine calls an attempt lost after two minutes, and tries again.
WAIT_S = 110
# From the end of the start command to the pid file.
APPEAR_S = 3


def attempt_taken(name, attempt=None, about=None):
    """
    Take an attempt for this minion, so that it runs once, whoever asks and however often.

    name
        A word for it in the output, unused otherwise.
    attempt
        The attempt id of the event. None, as by hand: nothing is taken, the rest runs.
    about
        Mapping kept with the record: job and problem ids.

    Newly taken: changes. Taken before and well finished: no changes. Taken before and not well
    finished: fails, since nobody knows how far it came.
    """
    if not attempt:
        return _ret(name, True, "Run by hand: no attempt is taken.", {"attempt": "by hand"})
    in_the_way = _other_runs((about or {}).get("jid"))
    if in_the_way:
        return _ret(name, False, f"Another state run is in progress still: {in_the_way}.")
    try:
        if __opts__["test"] and __salt__["dynatrace.attempt"](attempt) is None:
            return _ret(name, None, f"Attempt {attempt} would be taken.", {"attempt": attempt})
        if not __opts__["test"] and __salt__["dynatrace.claim"](attempt, about):
            return _ret(name, True, f"Attempt {attempt} is taken.", {"attempt": attempt})
        record = __salt__["dynatrace.attempt"](attempt)
    except (CommandExecutionError, OSError) as err:
        return _ret(name, False, f"The attempt cannot be taken: {err}")
    if record and record["finished"]:
        return _ret(name, True, f"Attempt {attempt} was well finished at {record['finished']}.")
    taken = (record or {}).get("taken") or "an unknown time"
    return _ret(
        name,
        False,
        f"Attempt {attempt} was taken at {taken} and has not finished well: it failed, "
        "was cut off, or still runs. It does not run a second time.",
    )


def attempt_finished(name, attempt=None):
    """
    Record the good end of an attempt; what is taken and not finished counts as failed.

    name
        A word for it in the output, unused otherwise.
    attempt
        The attempt id that ``attempt_taken`` had.
    """
    if not attempt:
        return _ret(name, True, "Run by hand: there is no attempt to finish.")
    if __opts__["test"]:
        return _ret(name, None, f"Attempt {attempt} would be finished.", {"finished": attempt})
    try:
        record = __salt__["dynatrace.finish"](attempt)
    except (CommandExecutionError, OSError) as err:
        return _ret(name, False, f"The end of the attempt cannot be recorded: {err}")
    return _ret(name, True, f"Attempt {attempt} is finished.", {"finished": record["finished"]})


def found_not_serving(name, url, executable, pid_file=None, **proof):
    """
    Make sure that there is something to heal: changes if the service does not serve.

    A person or another problem's attempt may just have healed it; a service that answers is never
    restarted. One request decides, with the parameters of ``answers``.
    """
    serves, comment = _proof(url, executable, pid_file, **proof)
    if serves:
        return _ret(name, True, f"It already serves, nothing is done: {comment}.")
    return _ret(
        name,
        None if __opts__["test"] else True,
        f"It does not serve: {comment}.",
        {"outage": comment},
    )


def configuration_tested(name, command, executable=None, timeout=30):
    """
    Test the configuration before anything is stopped; fails with the last lines of the test.

    name
        The service, for the comment.
    command
        The test as a list of words; no shell reads them. It also runs with ``test=True``.
    executable
        With it the test is left to the start when no process of the service lives: then there is
        nothing to stop, and the outage is shorter by the time of the test.
    timeout
        Seconds.
    """
    if not isinstance(command, list) or not command:
        return _ret(name, False, f"command must be a list of words, not {command!r}.")
    if executable and not __opts__["test"] and not __salt__["dynatrace_service.lives"](executable):
        return _ret(name, True, f"No process of {name} lives: its start tests the configuration.")
    broken = _broken(command, timeout)
    if broken:
        return _ret(name, False, f"Nothing has been stopped: {broken}")
    return _ret(name, True, f"The configuration of {name} is valid.")


def restarted(name, executable, pid_file=None, ports=None, configtest=None):
    """
    Bring the service back, whatever state it is in.

    name
        The service, as Salt's ``service`` module names it.
    executable
        Full path; only a process that runs it is taken for the service's.
    pid_file
        The service's own, if it has one.
    ports
        List of those it listens on: by them orphans without a pid file are found, and who is in
        the way.
    configtest
        The command of ``configuration_tested``; when the service does not start, it may tell why.

    A living main process is restarted. A dead one is started, after its orphaned workers, which
    hold the ports, and its stale pid file are gone: the init script would wait for the first and
    signal whoever has the pid of the second.
    """
    place = {"executable": executable, "pid_file": pid_file, "ports": ports}
    try:
        main = __salt__["dynatrace_service.main_process"](**place)
        if __opts__["test"]:
            return _ret(
                name, None, _plan(name, main, place), {name: "restart" if main else "start"}
            )
        changes = _restart(name, main, place) if main else _start(name, place)
    except (CommandExecutionError, OSError) as err:
        broken = _broken(configtest) if configtest else None
        return _ret(
            name, False, f"{name} cannot be brought back: {err}" + (f"; {broken}" if broken else "")
        )
    return _ret(name, True, f"{name} was brought back.", changes)


def answers(
    name,
    url,
    executable,
    pid_file=None,
    deadline=30,
    **proof,
):
    """
    Prove by a local request that the service serves, and that it is the service that answers.

    name
        The service, for the comment.
    url
        ``http`` or ``https``, on the loopback unless ``beyond_loopback``.
    executable, pid_file
        As for ``restarted``: the main process must live and hold the port of the URL.
    deadline
        Seconds until the proof must have succeeded; it is tried all the time.
    timeout
        Seconds for one request.
    statuses
        List of those that count; none given: every status below 500 comes from a working server.
    host
        Host header.
    """
    if __opts__["test"]:
        return _ret(name, None, f"{url} would be asked.")
    until = time.monotonic() + deadline
    while True:
        serves, comment = _proof(url, executable, pid_file, **proof)
        if serves:
            return _ret(name, True, f"{name} serves: {comment}.")
        if time.monotonic() > until:
            held = __salt__["dynatrace_service.holders"]([__salt__["dynatrace_http.port"](url)])
            return _ret(
                name,
                False,
                f"{name} does not serve {deadline} s after it was brought back: "
                + "; ".join([comment, *held])
                + ".",
            )
        time.sleep(PAUSE_S)


def _broken(command, timeout=30):
    """
    Run the test of a configuration; return None, or what is wrong.
    """
    try:
        result = __salt__["cmd.run_all"](
            [str(word) for word in command],
            python_shell=False,
            timeout=timeout,
            redirect_stderr=True,
            ignore_retcode=True,
            output_loglevel="debug",
        )
    except CommandExecutionError as err:
        return f"the configuration cannot be tested: {err}"
    if result["retcode"] == 0:
        return None
    lines = result["stdout"].splitlines()[-LAST_LINES:]
    return "the configuration is broken:\n" + "\n".join(lines)


def _other_runs(jid):
    """
    Wait for state runs that began before this one; return what is in the way when it takes too long.

    ``queue: True`` does not always see to it: many releases of Salt only wait for runs with a smaller
    job id (issue 69825), and an attempt's is derived from the time at which its problem began.
    """
    until = time.monotonic() + WAIT_S
    while True:
        active = __salt__["saltutil.is_running"]("state.*") if jid else []
        mine = _begun(jid)
        before = [
            run for run in active if str(run.get("jid")) != jid and _begun(run.get("jid")) < mine
        ]
        if not before or time.monotonic() > until:
            return ", ".join(f"{run.get('fun')} ({run.get('jid')})" for run in before)
        time.sleep(PAUSE_S)


def _begun(jid):
    """
    Return when a job began on this minion: its file in the minion's proc directory is made then.
    """
    try:
        return os.stat(os.path.join(__opts__["cachedir"], "proc", str(jid))).st_mtime
    except OSError:
        return float("inf")


def _proof(url, executable, pid_file, timeout=2, statuses=None, host=None, beyond_loopback=False):
    """
    Return whether the service answers, and the evidence either way.
    """
    answer = __salt__["dynatrace_http.ask"](url, timeout, host, beyond_loopback)
    if answer["problem"]:
        return False, answer["problem"]
    status = answer["status"]
    if status not in statuses if statuses else status >= SERVER_ERROR:
        return False, f"{url} answered {status}"
    port = __salt__["dynatrace_http.port"](url)
    main = __salt__["dynatrace_service.main_process"](executable, pid_file, [port])
    if main is None:
        return False, f"{url} answered {status}, but no main process of {executable} is alive"
    if not __salt__["dynatrace_service.listens"](main, port):
        return (
            False,
            f"{url} answered {status}, but {executable} (pid {main}) does not hold port {port}",
        )
    return True, f"{url} answered {status} from {executable} (pid {main})"


def _plan(name, main, place):
    if main:
        return f"{name} would be restarted; its main process {main} lives."
    orphans = __salt__["dynatrace_service.leftovers"](**place)
    ended = f" after its orphaned processes {orphans} are ended" if orphans else ""
    return f"{name} would be started{ended}; no main process lives."


def _start(name, place):
    changes = {}
    ended = __salt__["dynatrace_service.end_leftovers"](**place)
    if ended:
        changes["orphans ended"] = ended
    if __salt__["dynatrace_service.forget_stale_pid_file"](place["executable"], place["pid_file"]):
        changes["stale pid file removed"] = place["pid_file"]
    if __salt__["service.start"](name) and _main_appears(place):
        return {**changes, name: "started"}
    held = __salt__["dynatrace_service.holders"](place["ports"])
    why = "; ".join(held) or "its log tells why"
    done = "".join(f"; {what}: {which}" for what, which in changes.items())
    raise CommandExecutionError(f"it does not start: {why}{done}")


def _restart(name, main, place):
    changes = {}
    thawed = __salt__["dynatrace_service.thaw"](**place)
    if thawed:
        changes["stopped processes resumed"] = thawed
    if __salt__["service.restart"](name) and _main_appears(place):
        return {**changes, name: "restarted"}
    # It would not stop, or stopped and did not start.
    if __salt__["dynatrace_service.main_process"](**place) == main:
        changes["ended"] = __salt__["dynatrace_service.end_main"](**place)
    return {**changes, **_start(name, place)}


def _main_appears(place):
    """
    Wait for the main process: Debian's init script calls a failed start of apache2 a good one.
    """
    until = time.monotonic() + APPEAR_S
    while __salt__["dynatrace_service.main_process"](**place) is None:
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE_S)
    return True


def _ret(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
