"""
What proves that a service serves: how each kind is written, and the verdict of all that a remedy has.

How a kind is asked stands in ``probe`` and ``proof_kinds``, which are imported when one is asked.
"""

import difflib
import re
import urllib.parse

from .url import is_loopback

# So many proofs one remedy has at most: each may take its whole time.
MOST = 8
FORMS = {
    "http://": "http://127.0.0.1/health, or a mapping with `url`",
    "https://": "https://127.0.0.1/health, or a mapping with `url`",
    "http": "http: its process is asked where it listens",
    "tcp:": "tcp:[host:]port",
    "unix:": "unix:/path",
    "unit": "unit: active, with the same main process for `stays` seconds",
    "disk:": "disk:/mount<90%",
    "process:": "process:/path/of/executable",
    "container:": "container:name",
}
COMMAND = "a command is a list of words, such as [mysqladmin, ping]"
URL_KEYS = ("url", "host", "statuses", "contains", "server_name")
# Compiled where one is asked for, which takes longer than all else here.
TCP = r"tcp:(?:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):)?([0-9]{1,5})"
DISK = r"disk:(/[^<\0]*)<([0-9]{1,3}(?:\.[0-9]+)?)%"
PATH = r"(unix|process):(/[^\0]+)"
CONTAINER = r"container:([A-Za-z0-9][A-Za-z0-9_.-]{0,127})"
LAST_PORT, STATUSES = 65535, range(100, 600)
# Of what a list of proofs was found to be, the one that decides.
GRAVEST = ("fails", "silent", "unclear", "serves")


def read(service):
    """
    Return the proofs of a service's settings, each a mapping with its ``kind``; raise ValueError for a malformed one.

    ``url``, ``host`` and ``statuses`` are one of kind ``url``, in the place of a bare ``http``.
    """
    found = [_read(one) for one in _listed(service["proof"])]
    if service["url"]:
        own = {key: service[key] for key in ("url", "host", "statuses")}
        found = [_url(own), *(one for one in found if one["kind"] != "http")]
    if found:
        return found
    return [{"kind": "stays"}] if service["container"] else [{"kind": "unit"}]


def wrong(service):
    """
    Yield what is wrong with the proofs of a service's settings.
    """
    try:
        found = read(service)
    except ValueError as err:
        yield f"proof {err}"
        return
    if len(found) > MOST:
        yield f"proof has {len(found)} entries, and {MOST} are the most"
    for one in found:
        yield from _unfit(one, service)


def ask(service, look, seen):
    """
    Return ``verdict`` and ``said`` of all proofs: ``serves`` only if all hold; it ends with the first that fails.

    The verdicts are those that ``outage`` knows. ``seen`` is how the service was found, by ``look``; both are
    None for a remedy without a service.
    """
    answers = []
    for proof in read(service):
        answers.append(_asked(proof, service, look, seen))
        if answers[-1]["verdict"] == "fails":
            return answers[-1]
    verdict = min((one["verdict"] for one in answers), key=GRAVEST.index)
    told = [one["said"] for one in answers if one["verdict"] == verdict]
    return {"verdict": verdict, "said": "; ".join(told)}


def _asked(proof, service, look, seen):
    # Imported here: while a service is down, only what is asked is loaded.
    if proof["kind"] in ("http", "url"):
        from . import probe

        return getattr(probe, proof["kind"])(proof, service, seen)
    from . import proof_kinds

    return proof_kinds.KINDS[proof["kind"]](proof, service, look, seen)


def _listed(value):
    if value is None:
        return []
    if not isinstance(value, list):
        return [value]
    if not value:
        raise ValueError("is an empty list")
    first = value[0]
    return [value] if isinstance(first, str) and not _is_proof(first) else value


def _is_proof(text):
    """
    Tell whether the first text of a list is a proof, or the command that the list is; raise for a doubtful one.
    """
    head, colon, _ = text.partition(":")
    if text in FORMS or (colon and f"{head}:" in (*FORMS, "http:", "https:")):
        return True
    if not text.startswith("/") and (colon or _near(text)):
        raise ValueError(_malformed(text))
    return False


def _read(value):
    if isinstance(value, dict):
        return _url(value)
    if isinstance(value, list):
        return _command(value)
    if not isinstance(value, str):
        raise ValueError(_malformed(value))
    if value in ("http", "unit"):
        return {"kind": value}
    if value.startswith(("http://", "https://")):
        return _url({"url": value})
    found = _tcp(value) or _disk(value) or _path(value)
    if found is None:
        raise ValueError(_malformed(value))
    return found


def _url(given):
    unknown = sorted(str(key) for key in given if key not in URL_KEYS)
    if unknown:
        raise ValueError(f"has no key {', '.join(unknown)}; these are: {', '.join(URL_KEYS)}")
    if not is_url(given.get("url")):
        raise ValueError(
            f"url must be an http or https address, not {str(given.get('url'))[:80]!r}"
        )
    for key in ("host", "contains", "server_name"):
        if not isinstance(given.get(key), (str, type(None))) or given.get(key) == "":
            raise ValueError(f"{key} must be a text, not {str(given[key])[:80]!r}")
    statuses = given.get("statuses") or []
    if not isinstance(statuses, list) or not all(_is_status(one) for one in statuses):
        raise ValueError(f"statuses must be a list of HTTP statuses, not {str(statuses)[:80]!r}")
    return {"kind": "url", **dict.fromkeys(URL_KEYS), **given, "statuses": statuses}


def is_url(value):
    """
    Tell whether a value is an address by http or https.
    """
    try:
        parts = urllib.parse.urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (TypeError, ValueError, AttributeError):
        return False


def _is_status(value):
    return type(value) is int and value in STATUSES


def _command(words):
    if not words or not all(type(word) in (str, int) for word in words) or not str(words[0]):
        raise ValueError(f"{str(words)[:80]!r} is no command: {COMMAND}")
    return {"kind": "command", "words": [str(word) for word in words]}


def _tcp(text):
    found = re.fullmatch(TCP, text)
    if not found or not 0 < int(found[2]) <= LAST_PORT:
        return None
    return {"kind": "tcp", "host": (found[1] or "127.0.0.1").strip("[]"), "port": int(found[2])}


def _disk(text):
    found = re.fullmatch(DISK, text)
    if not found or not 0 < float(found[2]) <= 100:
        return None
    return {"kind": "disk", "path": found[1], "below": float(found[2])}


def _path(text):
    found = re.fullmatch(PATH, text)
    if found:
        return {"kind": found[1], "path": found[2]}
    named = re.fullmatch(CONTAINER, text)
    return {"kind": "container", "name": named[1]} if named else None


def _malformed(value):
    text = str(value)[:80]
    near = _near(text)
    if near:
        return f"{text!r} is none; its form is: {FORMS[near]}"
    return f"{text!r} is none; these are: {'; '.join(FORMS.values())}; {COMMAND}"


def _near(text):
    head, colon, _ = text.partition(":")
    return next(iter(difflib.get_close_matches(head + colon, FORMS, 1, 0.7)), None)


def _unfit(proof, service):
    """
    Yield why a proof does not fit what the remedy is about.
    """
    if proof["kind"] in ("http", "unit") and (service["sls"] or service["container"]):
        yield f"proof {proof['kind']} is of a service: name another"
    host = urllib.parse.urlsplit(proof["url"]).hostname if proof["kind"] == "url" else None
    host = proof["host"] if proof["kind"] == "tcp" else host
    if host and not is_loopback(host) and service["beyond_loopback"] is False:
        what = f"url {proof['url']}" if proof["kind"] == "url" else f"proof tcp:{host}"
        yield f"{what} is no address of this machine's loopback, and beyond_loopback is not true"
