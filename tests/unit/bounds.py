"""
Finds the calls in a module's code that may wait, and tells which of them have no bound.

It goes by names, as a reader does: what waits under another name is not found. `test_bounds.py` shows what is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

HTTP_METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "request", "send"}
#: What has a bound when it is given a keyword.
KEYWORD = {
    "urlopen": "timeout",
    "HTTPConnection": "timeout",
    "HTTPSConnection": "timeout",
    "create_connection": "timeout",
    "check_call": "timeout",
    "check_output": "timeout",
    "communicate": "timeout",
    "get_event": "wait",
    "fire_event": "timeout",
    "cmd": "timeout",
    "cmd_async": "timeout",
    "run_job": "timeout",
}
#: What has a bound when it is given a number of seconds, by position or as `timeout`.
SECONDS = {"wait", "result", "acquire"}
#: What waits until it is killed, whatever it is given.
NEVER = {"Popen", "pause", "select", "recv", "accept"}
LOCKS = re.compile(r"(^|_)(lock|changed)$")
LOADERS = re.compile(r"__salt__|runners|returners|module|functions|asked|engine")
#: Of this project, or answered from what is in memory.
OWN = re.compile(r"dynatrace|_|config\.")
CLOCK = re.compile(r"(monotonic|clock|time)\(|\buntil\b|\bdeadline\b")


@dataclass(frozen=True)
class Wait:
    """
    A call that may wait for ever: in which function, what is called, and where.
    """

    function: str
    called: str
    line: int


def unbounded(text: str) -> list[Wait]:
    """
    Return the calls of a module's text that may wait and have no bound.
    """
    return list(_walk(ast.parse(text), (), None))


def _walk(node: ast.AST, path: tuple[str, ...], loop: ast.While | None) -> Iterator[Wait]:
    for child in ast.iter_child_nodes(node):
        inside, around = path, loop
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inside, around = (*path, child.name), None
        elif isinstance(child, ast.While):
            around = child
        called = _endless(child, loop)
        if called:
            yield Wait(".".join(path), called, getattr(child, "lineno", 0))
        yield from _walk(child, inside, around)


def _endless(node: ast.AST, loop: ast.While | None) -> str | None:
    """
    Return the name of what a node calls if that may wait for ever.
    """
    if isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            name = _name(item.context_expr)
            if name and LOCKS.search(name):
                return f"with {name}"
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Subscript):
        return _loaded(node.func)
    name = _name(node.func)
    return name if name and _waits(name, node, loop) else None


def _loaded(function: ast.Subscript) -> str | None:
    """
    Return the name of a function of Salt's that is called by a loader; those of this project are looked at themselves.
    """
    loader = _name(function.value) or ""
    if not LOADERS.fullmatch(loader):
        return None
    key = function.slice
    if isinstance(key, ast.JoinedStr) and key.values:
        key = key.values[0]
    name = key.value if isinstance(key, ast.Constant) else f"[{ast.unparse(key)}]"
    return None if OWN.match(str(name)) else str(name)


def _waits(name: str, call: ast.Call, loop: ast.While | None) -> bool:
    owner = _name(call.func.value) if isinstance(call.func, ast.Attribute) else None
    if name in NEVER:
        return True
    if name == "sleep" or name == "_sleep":
        return loop is not None and not CLOCK.search(ast.unparse(loop))
    if name == "flock":
        return "LOCK_NB" not in ast.unparse(call)
    if name == "connect":
        return owner == "sqlite3" and not _given(call, "timeout")
    if name == "run":
        return owner == "subprocess" and not _given(call, "timeout")
    if name == "call" and owner == "subprocess":
        return not _given(call, "timeout")
    if name == "map":
        return bool(owner and owner.endswith("pool")) and not _given(call, "timeout")
    if name in HTTP_METHODS and owner in ("requests", "session", "_session"):
        return not _given(call, "timeout")
    if name == "get":
        keywords = {one.arg for one in call.keywords}
        if call.args or not (keywords <= {"timeout", "block"}):
            return False  # Of a mapping.
        return not _given(call, "timeout")
    if name == "join":
        return not call.args and not _given(call, "timeout")  # A text's join has an argument.
    if name in SECONDS:
        return not (call.args and not _may_be_none(call.args[0])) and not _given(call, "timeout")
    return name in KEYWORD and not _given(call, KEYWORD[name])


def _given(call: ast.Call, keyword: str) -> bool:
    return any(one.arg == keyword and not _may_be_none(one.value) for one in call.keywords)


def _may_be_none(value: ast.expr) -> bool:
    if isinstance(value, ast.IfExp):
        return _may_be_none(value.body) or _may_be_none(value.orelse)
    if isinstance(value, ast.BoolOp):
        return any(_may_be_none(one) for one in value.values)
    return isinstance(value, ast.Constant) and value.value is None


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
