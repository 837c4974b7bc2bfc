"""
Decides whether a service is down, so that it may be brought back, and whether it serves afterwards.

A process that lives is restarted only when it is known to be stuck; a question that does not fit it is no
proof of an outage. Who calls it hands on ``look``, which looks at the service's processes anew, and
``ask``, which tells by ``verdict`` whether the living main process serves: ``serves``, ``fails`` (the
site's own proof), ``silent`` (it takes connections and says nothing) or ``unclear``.
"""

import os
import time

PAUSE_S = 0.05
# Between two questions about a process that lives: one may have come at a bad moment.
AGAIN_S = 1


def decided(name, service, seen, look, ask, failed=None):
    """
    Return ``how`` to bring a service back (``start`` or ``restart``), or the ``outcome``; and what is ``said``.

    ``seen`` is the first look, ``failed`` since when Dynatrace sees it down, in seconds since the epoch. It
    is asked twice, and until it has had its time to start.
    """
    asked, until = 0, time.monotonic() + service["starts_within"]
    while seen["main"] and not seen["stopped"]:
        found, asked = ask(seen), asked + 1
        if found["verdict"] == "serves":
            told = f"It serves already, nothing is done: {found['said']} ({_process(seen)})"
            return {"outcome": "healthy", "said": told + _against(seen, failed), "seen": seen}
        again = asked < 2 and found["verdict"] != "silent"
        # The second is for a clock that was set since the process began.
        grown = time.time() - seen["since"] >= service["starts_within"] or time.monotonic() > until
        if grown and not again:
            return {**_living(name, seen, found, failed), "seen": seen}
        time.sleep(AGAIN_S)
        seen = look()
    if not seen["main"]:
        return {
            "how": "start",
            "said": f"No main process of {_called(name, service)} lives",
            "seen": seen,
        }
    what = "has workers, all of which are" if seen.get("workers_stopped") else "is"
    return {"how": "restart", "said": f"{_process(seen)} {what} stopped (SIGSTOP)", "seen": seen}


def proved(name, service, look, ask, wait=None):
    """
    Return the ``outcome`` of a service that was brought back, what is ``said``, and how it was ``seen`` last.

    It is asked until it serves, or for so many seconds: None, the later of ``deadline`` and ``starts_within``.
    """
    wait = max(service["deadline"], service["starts_within"]) if wait is None else wait
    until, lived, found = time.monotonic() + wait, False, None
    while True:
        seen = look()
        if seen["main"]:
            lived, found = True, ask(seen)
            if found["verdict"] == "serves":
                told = f"It serves: {found['said']} ({_process(seen)})"
                return {"outcome": "healed", "said": told, "seen": seen}
        elif lived and _was_stopped(service, seen):
            told = f"{_called(name, service)} was stopped cleanly meanwhile, by somebody else: it is left like that"
            return {"outcome": "unproved", "said": told, "seen": seen}
        if time.monotonic() > until or seen["active"] == "failed":
            return {**_unproved(name, seen, found, wait), "seen": seen}
        time.sleep(PAUSE_S)


def _called(name, service):
    """
    Return the unit, which the name of a remedy need not tell.
    """
    return service.get("service") or name


def _living(name, seen, found, failed):
    if found["verdict"] == "unclear":
        told = (
            f"Nothing is done: {_process(seen)} lives, and it is not known whether it serves: "
            f"{found['said']}. {_wanted(name, seen)}{_against(seen, failed)}"
        )
        return {"outcome": "refused", "said": told}
    stuck = "is stuck" if found["verdict"] == "silent" else "fails the site's own proof"
    return {"how": "restart", "said": f"{_process(seen)} {stuck}: {found['said']}"}


def _unproved(name, seen, found, wait):
    if not seen["main"]:
        return {"outcome": "failed", "said": f"{name} was brought back and lives no more"}
    told = f"{_process(seen)} does not prove that it serves within {wait:g} s: {found['said']}"
    if found["verdict"] != "unclear":
        return {"outcome": "failed", "said": told}
    return {"outcome": "unproved", "said": f"{told}. {_wanted(name, seen)}"}


def _wanted(name, seen):
    listens = seen["listens"] or []
    where = ", ".join(f"{address} port {port}" for address, port in listens) or "no TCP port"
    told = f"It listens on {where}. " if seen["listens"] is not None else ""
    return (
        f"{told}Set the pillar dynatrace:lookup:{name}:url, or {name}:proof, to what proves that it "
        "serves"
    )


def _against(seen, failed):
    """
    Return what of this Dynatrace tells otherwise.
    """
    if failed is None:
        return ""
    since = "was there before" if seen["since"] < failed else "has come since"
    return f". Dynatrace sees it down since {_clock(failed)}; this process {since}"


def _was_stopped(service, seen):
    """
    Tell whether a service that lived was stopped by its manager, and did not die.
    """
    if seen["active"]:
        return seen["active"] == "inactive"
    # A script's own stop removes the file, which stays when the process is killed.
    return bool(service["pid_file"]) and not os.path.lexists(service["pid_file"])


def _process(seen):
    return f"{seen['executable']} (pid {seen['main']}, since {_clock(seen['since'])})"


def _clock(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
