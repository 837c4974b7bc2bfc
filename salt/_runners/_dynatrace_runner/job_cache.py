"""
Checks whether the engine can read from the master's job cache how a job ended.
"""

import time

import salt.utils.jid

from .minions import call

# So few minions prove it, and the cache has a return a moment after it is on the bus.
SAMPLE = 3
FILED_S = 3.0
STEP_S = 0.1
FIX = "see docs/runbook.md, The job cache cannot be read, and restart the master"


def check(found, opts, engine, until):
    """
    Read it as the engine does: a job that nobody made, then one that was just made and returned.

    Some returners return nothing where they cannot read, which looks like a job that was never executed.
    """
    if engine is None:
        return
    jobs = engine["_jobs"]()
    option = "ext_job_cache" if opts.get("ext_job_cache") else "master_job_cache"
    if not jobs.cached:
        what = "the master keeps none: the engine believes the events on the bus, which any minion can fire"
        found.add("warn", "job cache", what, "remove `job_cache: False`, and restart the master")
        return
    try:
        nobody = salt.utils.jid.gen_jid(opts)
        jobs.minions(nobody), jobs.returns(nobody)
        jid, answered = _asked(opts, sorted(engine["_accepted"]())[:SAMPLE], until)
        missing = _missing(jobs, jid, answered)
    except engine["errors"].JobCacheError as err:
        found.add("fail", "job cache", f"it cannot be read: {err}", FIX)
        return
    if missing:
        what = (
            f"`{option}` ({opts.get(option)}) does not give {missing} of a job that {answered[0]} "
            "has just returned: nothing is known of any job"
        )
        found.add("fail", "job cache", what, FIX)
    elif answered:
        found.add("ok", "job cache", f"it has what {', '.join(answered)} returned")
    else:
        found.add("ok", "job cache", "it can be read; no minion answered, to prove what is in it")


def _asked(opts, minions, until):
    jid = salt.utils.jid.gen_jid(opts)
    if not minions:
        return jid, []
    wait = int(max(min((until - time.monotonic()) / 3, 5), 1))
    told = call(opts, wait, minions, "test.ping", jid=jid)
    return jid, sorted(name for name, answer in told.items() if answer is True)


def _missing(jobs, jid, answered):
    if not answered:
        return None
    until = time.monotonic() + FILED_S
    while True:
        made = jobs.minions(jid) is not None
        if made and set(answered) <= set(jobs.returns(jid)):
            return None
        if time.monotonic() > until:
            return "the return" if made else "the load"
        time.sleep(STEP_S)
