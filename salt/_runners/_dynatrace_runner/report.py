"""
Collects the rows of a check, and words what several say.
"""

from salt.exceptions import SaltException

from . import bus

NAMED = 5
RESTART = "and restart the master"
SECRETS = ("api_token", "client_secret", "token", "password", "proxy")


class Found:
    """
    The rows found so far, in which no secret of the configuration stands.
    """

    def __init__(self, opts):
        self.rows = []
        options = [
            value for given in bus.configured(opts).values() for value in _secrets(given.items())
        ]
        # The longest first: a part of a secret must not be replaced before the whole is.
        self._secrets = sorted(set(options), key=len, reverse=True)

    def add(self, result, check, detail, fix="", instance=None):
        """
        Add a row; ``fix`` says what to do, and is empty for what is good.
        """
        for secret in self._secrets:
            detail = detail.replace(secret, "…")
        row = {"check": check, "instance": instance, "result": result, "detail": detail, "fix": fix}
        self.rows.append(row)

    def guarded(self, check, function, *arguments):
        """
        Return what ``function`` returns, or None with a row that tells why it could not be asked.
        """
        try:
            return function(*arguments)
        except SaltException as err:
            self.add("fail", check, str(err), "correct that, and check again")
        except Exception as err:  # noqa: BLE001 - A check that breaks must not hide the others.
            what = f"this could not be checked: {type(err).__name__}"
            self.add("fail", check, what, "run it with -l debug, and report it")
        return None


def named(names):
    """
    Return a text that names some, and tells how many there are beside them.
    """
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _secrets(options):
    for name, value in options:
        if isinstance(value, dict):
            yield from _secrets(value.items())
        elif name in SECRETS and len(str(value or "")) >= 3:
            yield from (str(value), str(value).rpartition(".")[2])
