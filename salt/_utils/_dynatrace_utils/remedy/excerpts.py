"""
Excerpts of logs and of what commands say: without secrets, without what a terminal obeys, and the lines that tell most.

Nothing here looks at the minion. Lines are cut before they are searched, so that no text makes it slow.
"""

import re

TELLING = 3
# Above the lines of each log, as `tail` writes it.
HEAD = "==> {} <=="
# Of a line: in a file, and in a comment.
LINE, SHOWN = 2000, 120
WORDS = re.compile(
    r"(?i)\b(?:emerg|alert|crit|error|fatal|panic|fail(?:ed|ure|s)?|exception|segfault|killed|oom|out of memory|"
    r"cannot|can't|could not|unable|denied|refused|no space|timed? ?out)\b"
)
# What the kernel does to processes; it tells much else that has nothing to do with a service.
KERNEL = re.compile(r"(?i)out of memory|oom-kill|killed process|segfault|general protection")
_KEY = r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|private)[_-]?key|authorization|cookie|credentials?)"
_VALUE = r"(?:\"[^\"]*\"?|'[^']*'?|(?:bearer|basic|digest|api-token)\s+\S+|\S+)"
# What is put in their place keeps the name, so that one sees what was there.
SECRETS = (
    # `DB_PASSWORD=x`, `"password": "x"`, `Authorization: Bearer x`.
    (
        re.compile(
            rf"(?i)((?<![\w.-])[\w.-]{{0,64}}?{_KEY}[\w.-]{{0,64}}[\"']?\s{{0,8}}[=:]\s{{0,8}}){_VALUE}"
        ),
        r"\1…",
    ),
    (re.compile(rf"(?i)((?<!\S)--?[\w-]{{0,64}}?{_KEY}[\w-]{{0,64}}\s{{1,8}}){_VALUE}"), r"\1…"),
    (re.compile(r"(?i)(\b(?:bearer|api-token)\s{1,8})\S+"), r"\1…"),
    (re.compile(r"(?<=://)[^/@\s]{1,256}@"), "…@"),
    # Of MySQL's and Redis's own lines and options.
    (re.compile(r"(?i)(\bidentified\s{1,8}by\s{1,8})" + _VALUE), r"\1…"),
    (re.compile(r"(?i)(\b(?:requirepass|masterauth|auth)\s{1,8})" + _VALUE), r"\1…"),
    (re.compile(r"((?<!\S)-p)(?=\S*[^\d\s])\S+"), r"\1…"),
    (re.compile(r"\b(?:gh[pousr]_|glpat-|xox[abeprs]-|sk_live_)[\w-]{8,}"), "…"),
    (re.compile(r"\bdt0[a-z]\d\d\.\S+"), "…"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "…"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), "…"),
)
KEY_BLOCK = re.compile(
    # Of one that the text was cut in, the end alone.
    r"\A(?:(?!-----BEGIN ).)*-----END [A-Z ]*PRIVATE KEY-----|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.S,
)


def clean(text, most):
    """
    Return the end of a text, of so many bytes at most, without what controls a terminal and without secrets.
    """
    text = KEY_BLOCK.sub("…", text[-most:])
    lines = (
        "".join(c if c.isprintable() else "?" for c in line.expandtabs(8))
        for line in text.splitlines()
    )
    kept, size = [], 0
    for line in reversed([without_secrets(one[:LINE]) for one in lines]):
        size += len(line.encode("utf-8", "replace")) + 1
        if size > most:
            break
        kept.append(line)
    return "".join(f"{line}\n" for line in reversed(kept)).encode("utf-8", "replace").decode()


def without_secrets(line):
    """
    Return a line without what looks like a password, a token or a key.
    """
    for pattern, instead in SECRETS:
        line = pattern.sub(instead, line)
    return line


def telling(texts):
    """
    Return the lines that tell most of why a service failed: the last ones that speak of a failure, else the last ones.
    """
    said = (line.strip() for text in texts for line in text.splitlines())
    lines = [line for line in said if line and not line.startswith(HEAD[:4])]
    found = [line for line in lines if WORDS.search(line)] or lines
    return [line[:SHOWN] for line in dict.fromkeys(found)][-TELLING:]


def of_the_kernel(text):
    """
    Return the lines of the kernel's log that tell of processes that it ended.
    """
    return "\n".join(line for line in text.splitlines() if KERNEL.search(line))
