"""
Takes an attempt for this minion, so that it runs once, and tells how a run ended.
"""

import time

from salt.exceptions import CommandExecutionError

from ..dunders import __opts__, __pillar__
from ..service import control
from . import attempts
from . import order as orders

BY_HAND = "Run by hand: no attempt is taken"


class End(Exception):
    """
    The remedy is over: how, and what there is to say last.
    """

    def __init__(self, outcome, said, **more):
        super().__init__(said)
        self.outcome, self.more = outcome, more


class Story:
    """
    What is told of a run: sentences, and what was done.
    """

    def __init__(self, name):
        self.name, self.attempt, self.taken = name, None, False
        self.said, self.changes, self.touched = [], {}, False
        # What is kept of the failure, once anything is to be done.
        self.evidence = None

    def say(self, text):
        self.said.append(text if text.endswith((".", "\n")) else f"{text}.")

    def told(self, end):
        """
        Return what a state returns, without secrets: services write them into their logs, and this goes to Dynatrace.
        """
        # Compiled when all is over.
        from . import evidence, excerpts

        self.say(str(end))
        if self.evidence:
            end.more["evidence"] = self.evidence.told()
            self.say(evidence.sentence(end.more["evidence"]))
        good = {"healed": True, "healthy": True, "repeated": True, None: None}
        about = {"attempt": self.attempt, "outcome": end.outcome, **end.more}
        result = good.get(end.outcome, False)
        lines = " ".join(self.said).split("\n")
        said = "\n".join(map(excerpts.without_secrets, lines))
        return _ret(self.name, result, said, self.changes, about)


def attempt_taken(name):
    """
    Take the attempt, once; return what a state returns.
    """
    story = Story(name)
    try:
        order = taken(story)
    except End as end:
        return story.told(end)
    attempt = order["id"] if order else "by hand"
    result = None if order and __opts__["test"] else True
    about = {"attempt": story.attempt, "outcome": None}
    return _ret(name, result, " ".join(story.said), {"attempt": attempt}, about)


def attempt_finished(name):
    """
    Record the good end of the attempt; return what a state returns.
    """
    about = {"attempt": None, "outcome": None}
    try:
        order = orders.ordered(__pillar__, __opts__["id"])
        if not order:
            return _ret(name, True, "Run by hand: there is no attempt to finish.", {}, about)
        about["attempt"] = attempt = order["id"]
        if __opts__["test"]:
            told = f"Attempt {attempt} would be finished."
            return _ret(name, None, told, {"finished": attempt}, about)
        record = attempts.finish(attempt)
    except (CommandExecutionError, OSError) as err:
        told = f"The end of the attempt cannot be recorded: {err}"
        return _ret(name, False, told, {}, about)
    told = f"Attempt {attempt} is finished."
    return _ret(name, True, told, {"finished": record["finished"]}, about)


def taken(story):
    """
    Take the attempt and return its order; None for a run by hand. Ends what may not run.
    """
    if control.lacking():
        raise End("refused", f"This minion lacks {control.lacking()}")
    try:
        order = orders.ordered(__pillar__, __opts__["id"])
    except CommandExecutionError as err:
        raise End("refused", f"Nothing is done: {err}") from None
    if not order:
        wraps = __pillar__.get("dynatrace_attempt") == orders.WRAPPED
        story.say("The remedy that runs this takes the attempt" if wraps else BY_HAND)
        return None
    story.attempt = order["id"]
    _check_time(order)
    in_the_way = orders.others(__opts__, order["jid"])
    if in_the_way:
        raise End("failed", f"Another state run is in progress still: {in_the_way}")
    _check_time(order)
    _claim(story, order)
    return order


def _check_time(order):
    late = orders.late(order, time.time())
    if late:
        raise End("refused", f"Nothing is done: {late}")


def _claim(story, order):
    attempt = order["id"]
    about = {key: order.get(key) for key in ("jid", "problem_id")}
    try:
        if __opts__["test"] and attempts.attempt(attempt) is None:
            story.say(f"Attempt {attempt} would be taken.")
            return
        if not __opts__["test"] and attempts.claim(attempt, about):
            story.taken = True
            story.say(f"Attempt {attempt} is taken.")
            return
        record = attempts.attempt(attempt) or {}
    except (CommandExecutionError, OSError) as err:
        raise End("failed", f"The attempt cannot be taken: {err}") from None
    raise _taken_before(attempt, record)


def _taken_before(attempt, record):
    if record.get("finished"):
        ago = orders.seconds_between(record["finished"], record.get("now"))
        told = f"Attempt {attempt} was well finished at {record['finished']}, {ago} s ago."
        return End("repeated", told, ago=ago, before=record.get("outcome") or "healed")
    outcome = record.get("outcome") or "failed"
    return End(
        outcome,
        f"Attempt {attempt} was taken at {record.get('taken') or 'an unknown time'} and has not "
        "finished well: it failed, was cut off, or still runs. It does not run a second time.",
    )


def _ret(name, result, comment, changes, about):
    told = {"name": name, "result": result, "comment": comment, "changes": changes}
    return {**told, "dynatrace": about}
