"""
Checks which reactors act on the engine's events, and whether each can: its file, the remedy that it names, its rivals.
"""

import collections
import difflib
import fnmatch
import glob
import os
import re

import salt.utils.files
import salt.utils.yaml

from . import catalogue, environments
from .report import RESTART

TAGS = {what: f"dynatrace/problem/{what}/availability/P-1" for what in ("open", "retry")}
WHATS = ("open", "retry", "changed", "healed", "healthy", "failed", "escalated", "resolved")
KINDS = ("problem", "notification", "engine", "command", "answer")
DASH = "begin each tag with a dash, as master.d/reactor.conf does, " + RESTART
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_ID = re.compile(r"^([A-Za-z0-9_.-]+):\s*$", re.MULTILINE)
_TECHNOLOGY = re.compile(r"dynatrace\.order['\"]\]\(\s*data\s*,\s*['\"]([^'\"]*)['\"]")
_CATALOGUE = re.compile(r"dynatrace\.order['\"]\]\(\s*data\s*\)")
_MODS = re.compile(r"^\s*-?\s*mods:\s*([A-Za-z0-9_.-]+)\s*$", re.MULTILINE)


def check(found, opts):
    """
    Tell whether anything acts on the engine's events, and whether it asks if they are genuine; return the names of the
    states that are applied.
    """
    entries = _entries(opts)
    if not isinstance(entries, list):
        found.add("fail", "reactor", "`reactor` is no list: Salt uses nothing of it", DASH)
    for tags in _passed_over(entries):
        if "dynatrace" in tags:
            what = (
                f"Salt passes over an entry of `reactor` that is not one tag with its files: {tags}"
            )
            found.add("fail", "reactor", what, DASH)
    for tag, _ in _mapped(entries):
        _tag(found, tag)
    taking = {what: _taking(opts, what) for what in TAGS}
    if not taking["open"]:
        what = "no reactor takes the engine's events: they are reported, and nothing is healed"
        found.add("warn", "reactor", what, f"copy master.d/reactor.conf, {RESTART}")
    for path in [path for path in taking["open"] if path not in taking["retry"]]:
        what = f"{path} takes `open` and not `retry`: after a failure nobody tries again"
        found.add("warn", "reactor", what, f"map dynatrace/problem/retry/... to it too, {RESTART}")
    files = {}
    for path in dict.fromkeys([*taking["open"], *taking["retry"]]):
        there = _read(opts, path)
        files.update(there)
        if not there:
            fix = f"correct the path in `reactor`, {RESTART}"
            found.add("fail", "reactor", f"{path} is not there", fix)
    for path, text in files.items():
        _file(found, opts, path, text)
    _rivals(found, files)
    _beside_the_catalogue(found, opts, files)
    return list(dict.fromkeys(name for text in files.values() for name in _MODS.findall(text)))


def texts(opts, what):
    """
    Return the texts of the files that react to ``open`` or ``retry``, by their places.
    """
    return {
        place: text for path in _taking(opts, what) for place, text in _read(opts, path).items()
    }


def _entries(opts):
    """
    Return what ``reactor`` holds, which may be the path of a file with it.
    """
    entries = opts.get("reactor") or []
    if isinstance(entries, str):
        with salt.utils.files.fopen(entries, encoding="utf-8") as stream:
            entries = salt.utils.yaml.safe_load(stream) or []
    return entries


def _mapped(entries):
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and len(entry) == 1:
            [(tag, paths)] = entry.items()
            paths = [paths] if isinstance(paths, str) else paths
            yield str(tag), [str(path) for path in paths or ()]


def _passed_over(entries):
    """
    Yield the tags of each entry that Salt ignores without logging it.
    """
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            yield str(entry)
        elif len(entry) != 1:
            yield ", ".join(map(str, entry))


def _taking(opts, what):
    mapped = _mapped(_entries(opts))
    paths = (
        path for glob_, paths in mapped if fnmatch.fnmatch(TAGS[what], glob_) for path in paths
    )
    return list(dict.fromkeys(paths))


def _tag(found, tag):
    """
    Tell of a tag that looks like one of ours and that no event of ours can have.
    """
    first, *rest = tag.split("/")
    if not difflib.get_close_matches(first, ["dynatrace"], 1, 0.8):
        return
    fits = fnmatch.fnmatchcase("dynatrace", first) and tag == tag.lower().replace("/p-", "/P-")
    known = (KINDS, WHATS) if rest[:1] == ["problem"] else (KINDS,)
    for part, names in zip(rest, known, strict=False):
        fits = fits and bool(fnmatch.filter(names, part))
    if not fits:
        what = f"no event of the engine has a tag like {tag}"
        fix = f"correct it: dynatrace/problem/open/availability/*, all in lower case, {RESTART}"
        found.add("fail", "reactor", what, fix)


def _read(opts, path):
    if path.startswith("salt://"):
        places = [environments.served(opts, path.removeprefix("salt://"))]
    else:
        places = sorted(glob.glob(path))  # As Salt does.
    found = {}
    for place in places:
        if place and os.path.isfile(place):
            with salt.utils.files.fopen(place, encoding="utf-8", errors="replace") as stream:
                found[path if len(places) == 1 else place] = _COMMENT.sub("", stream.read())
    return found


def _file(found, opts, path, text):
    if "dynatrace.genuine" not in text:
        what = f"{path} does not ask `dynatrace.genuine`: any minion can make it act"
        found.add("fail", "reactor", what, "begin it as reactor/apache2.sls begins")
        return
    for name in _MODS.findall(text):
        if not environments.serving(opts, name):
            what = f"{path} applies the state {name}, which no file root has"
            fix = f"correct `mods` there, or put {name.replace('.', '/')}.sls into a file root"
            found.add("fail", "reactor", what, fix)
            return
    found.add("ok", "reactor", path)


def _rivals(found, texts):
    """
    Tell of files on one event of which Salt or a minion would use one only.
    """
    for pattern, what, fix in (
        (_ID, "the ID {}: Salt drops all but one of them", "give each its own ID"),
        (
            _TECHNOLOGY,
            "the technology {}: a minion runs only one of their jobs, since both have the event's jid",
            "let one file act on a technology; a second one must not use the jid",
        ),
    ):
        owners = collections.defaultdict(list)
        for path, text in texts.items():
            for name in set(pattern.findall(text)):
                owners[name].append(path)
        for name, paths in sorted(owners.items()):
            if len(paths) > 1:
                detail = f"{' and '.join(paths)} take the same events with {what.format(name)}"
                found.add("fail", "reactor", detail, fix)


def _beside_the_catalogue(found, opts, texts):
    """
    Tell of what the catalogue takes and a file of the site's own takes too, or of what nothing gives to the catalogue.
    """
    shipped = sorted(path for path, text in texts.items() if _CATALOGUE.search(text))
    if not shipped:
        if catalogue.names(opts):
            what = "`dynatrace_remedies` is set, and no reactor starts its remedies"
            found.add(
                "warn",
                "reactor",
                what,
                f"map reactor/remedy.sls as master.d/reactor.conf does, {RESTART}",
            )
        return
    if len(shipped) > 1:
        what = f"{' and '.join(shipped)} both start the catalogue's remedies: a minion runs only one of their jobs"
        found.add("fail", "reactor", what, f"map one of them, {RESTART}")
    remedies = catalogue.technologies(opts)
    for path, text in sorted(texts.items()):
        for technology in sorted(set(_TECHNOLOGY.findall(text)) & remedies.keys()):
            what = f"{path} takes {technology}, and so does the catalogue's {remedies[technology]}: a minion runs only one of their jobs"
            fix = f"take the entry out of `dynatrace_remedies`, or the file out of `reactor`, {RESTART}"
            found.add("warn", "reactor", what, fix)
