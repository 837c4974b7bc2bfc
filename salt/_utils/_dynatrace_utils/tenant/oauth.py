"""
Gets access tokens for the OAuth client of ``dynatrace:oauth`` from Dynatrace's SSO.

The client's secret is read here and goes into the body of one request. The token is kept in this
process alone, until shortly before it ends.
"""

import json
import re
import time
from urllib.parse import urlsplit

from salt.exceptions import CommandExecutionError

from .. import arguments
from ..dunders import __salt__
from . import answer as tenant_answer
from . import connection

SSO = "https://sso{}.dynatrace{}.com/sso/oauth2/token"
KEYS = ("client_id", "client_secret", "token_url", "scope", "resource")
VALUE = re.compile(r"[!-~]{1,512}")
SCOPE = re.compile(r"[!-~]{1,200}(?: [!-~]{1,200})*")
# So long before its end a token is not used any more.
EARLIER_S = 30
WHAT = "POST dynatrace:oauth:token_url"
# What it was asked with, the token, and until when it counts; Salt makes a process for a job.
_held = (None, None, 0.0)


def is_given():
    """
    Tell whether there is a client.
    """
    return bool(__salt__["config.get"]("dynatrace:oauth:client_id", None))


def token(host):
    """
    Return an access token, the one of before while it counts; ``host`` is that of the environment.
    """
    global _held
    form, url = _form(), _token_url(host)
    asked_with = (url, tuple(form.items()))
    if _held[0] != asked_with or time.monotonic() > _held[2]:
        found, seconds = _issued(url, form)
        _held = (asked_with, found, time.monotonic() + seconds - EARLIER_S)
    return _held[1]


def drop():
    """
    Forget the token, which the tenant has rejected.
    """
    global _held
    _held = (None, None, 0.0)


def _form():
    given = __salt__["config.get"]("dynatrace:oauth", {})
    problems = list(arguments.unknown(given, KEYS)) if isinstance(given, dict) else []
    form = {"grant_type": "client_credentials"}
    for key in ("client_id", "client_secret", "scope", "resource"):
        value = __salt__["config.get"](f"dynatrace:oauth:{key}", None)
        needed = key.startswith("client")
        if value is None and not needed:
            continue
        pattern = SCOPE if key == "scope" else VALUE
        if not isinstance(value, str) or not pattern.fullmatch(value):
            problems.append(f"`{key}` is not set, or is none")
        elif value.startswith("sdb://"):
            problems.append(f"`{key}`: its sdb profile is not known here")
        else:
            form[key] = value
    if problems:
        raise CommandExecutionError(f"dynatrace:oauth is not valid: {'; '.join(problems)}")
    return form


def _token_url(host):
    url = __salt__["config.get"]("dynatrace:oauth:token_url", None)
    if url is None:
        labs = host.endswith(".dynatracelabs.com")
        stage = "-dev" if ".dev." in host else "-sprint" if labs else ""
        return SSO.format(stage if labs else "", "labs" if labs else "")
    parts = urlsplit(url if isinstance(url, str) else "")
    local = parts.hostname == "localhost" or (parts.hostname or "").startswith("127.")
    if not parts.hostname or parts.scheme not in ("https", "http" if local else "https"):
        raise CommandExecutionError(
            "dynatrace:oauth:token_url is no https:// URL, such as "
            f"{SSO.format('', '')} (http:// only to a loopback address)"
        )
    return url


def _issued(url, form):
    """
    Return a new token, and for how many seconds it counts.
    """
    headers = {"Accept": "application/json"}
    with connection.asked(WHAT, url, headers, repeatable=True, data=form) as answer:
        status, text = answer.status_code, connection.read(WHAT, answer)
    if status == 429 or status >= 500:
        raise connection.Again(f"{WHAT} answered {status}")
    said = _said(text)
    if status != 200 or said is None:
        raise CommandExecutionError(_refusal(url, status, said))
    found, seconds = said.get("access_token"), said.get("expires_in")
    if not isinstance(found, str) or not re.fullmatch(r"[!-~]{1,16384}", found):
        raise CommandExecutionError(f"{WHAT} ({url}): the answer has no access_token")
    # What ends at once would be asked for at each call, which is slow and not wrong.
    return found, float(seconds) if isinstance(seconds, int) else 0.0


def _said(text):
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refusal(url, status, said):
    if said is None:
        return (
            f"{WHAT} ({url}) answered {status} and no JSON: it is no token URL of Dynatrace's SSO; "
            "an environment or a Managed cluster is none"
        )
    keys = ("error", "error_description", "message", "errorCode", "issueId")
    texts = [str(said[key]) for key in keys if isinstance(said.get(key), (str, int))]
    return (
        f"Dynatrace's SSO refused the client of dynatrace:oauth ({status}): check client_id and "
        "client_secret, that the client has each `scope` that is asked for, and `resource`. "
        f"It says: {tenant_answer.clean('; '.join(texts))}"
    )
