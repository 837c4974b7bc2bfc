"""
Checks of single values that states are given; each returns what is wrong, in texts.
"""

import re

TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
# In the clear only to this machine, since the token goes along.
URL = re.compile(
    r"(?:https://[^\s/?#@]+|http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?)(?:[/?#]\S*)?"
)
LONGEST_NAME = 100
LONGEST_URL = 1000
TAGS = "tags, such as owner:web"


def is_text(value, longest):
    return (
        isinstance(value, str)
        and len(value.strip()) > 0
        and len(value) <= longest
        and value.isprintable()
    )


def is_number(value, least, most):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def booleans(options, *keys):
    return [f"`{key}` is true or false" for key in keys if not isinstance(options[key], bool)]


def texts(options, key, pattern=None, what="texts of at most 500 characters"):
    value = options[key]
    good = isinstance(value, list) and all(
        is_text(one, 500) and (pattern is None or pattern.fullmatch(one)) for one in value
    )
    return [] if good else [f"`{key}` is a list of {what}"]


def url(options):
    """
    Check where the tenant reaches the engine's listener.
    """
    value = options["url"]
    wrong = (
        "`url` is where the tenant reaches the engine's webhook, such as "
        "https://master.example.com:8765/dynatrace, without user or password in it (http:// "
        "only to a loopback address)"
    )
    return [] if is_text(value, LONGEST_URL) and URL.fullmatch(value) else [wrong]
