"""
The configuration files of a scratch master and its minions.

The shipped master.d files are used as they are, but for the paths in them.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
#: As the shipped files name the clone, and the site's own state tree.
SHIPPED_CLONE = "/srv/salt-dynatrace"
SHIPPED_TREE = "/srv/salt\n"
EAUTH_USER = "scratch"


@dataclass(frozen=True)
class Ports:
    """
    The ports of one scratch Salt.
    """

    publish: int
    ret: int
    api: int


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """
    Write one file, readable for its owner only: some of them hold secrets.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False))


def ship(name: str, target: Path, root: Path, clone: Path = REPO) -> None:
    """
    Copy a file of master.d, with the paths of this machine in it.
    """
    text = (clone / "master.d" / name).read_text()
    text = text.replace(SHIPPED_CLONE, str(clone)).replace(SHIPPED_TREE, f"{root}/srv\n")
    target.mkdir(parents=True, exist_ok=True)
    (target / name).write_text(text)


def master(root: Path, ports: Ports, secret: str) -> dict[str, Any]:
    """
    Return the master's own settings: loopback only, everything under `root`.
    """
    return {
        "id": "master",
        "root_dir": str(root),
        "interface": "127.0.0.1",
        "publish_port": ports.publish,
        "ret_port": ports.ret,
        "sock_dir": str(root / "m"),
        "pki_dir": str(root / "pki" / "master"),
        "cachedir": str(root / "cache" / "master"),
        "extension_modules": str(root / "cache" / "master" / "extmods"),
        "log_file": str(root / "log" / "master"),
        "log_level": "warning",
        "log_level_logfile": "info",
        "pidfile": str(root / "master.pid"),
        "auto_accept": True,
        "worker_threads": 3,
        "fileserver_backend": ["roots"],
        # A changed state tree is seen at once.
        "fileserver_list_cache_time": 0,
        "external_auth": {"sharedsecret": {EAUTH_USER: [".*", "@runner", "@wheel", "@jobs"]}},
        "sharedsecret": secret,
        "netapi_enable_clients": ["local", "runner"],
        "api_logfile": str(root / "log" / "api"),
        "api_pidfile": str(root / "api.pid"),
        "rest_cherrypy": {"host": "127.0.0.1", "port": ports.api, "disable_ssl": True},
    }


def minion(root: Path, ports: Ports, minion_id: str) -> dict[str, Any]:
    """
    Return a minion's settings; what costs time at its start and proves nothing here is off.
    """
    return {
        "id": minion_id,
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "master": "127.0.0.1",
        "master_port": ports.ret,
        "root_dir": str(root),
        "sock_dir": str(root / minion_id / "s"),
        "pki_dir": str(root / "pki" / minion_id),
        "cachedir": str(root / "cache" / minion_id),
        "extension_modules": str(root / "cache" / minion_id / "extmods"),
        "conf_file": str(root / "conf" / minion_id / "minion"),
        "log_file": str(root / "log" / f"minion-{minion_id}"),
        "log_level": "warning",
        "log_level_logfile": "info",
        "pidfile": str(root / f"{minion_id}.pid"),
        "acceptance_wait_time": 1,
        "auth_timeout": 5,
        "recon_randomize": False,
        "mine_enabled": False,
        "enable_fqdns_grains": False,
        "enable_gpu_grains": False,
        "enable_legacy_startup_events": False,
        "startup_states": "",
    }


def write_master(
    root: Path,
    ports: Ports,
    secret: str,
    shipped: Sequence[str],
    included: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    clone: Path,
) -> Path:
    """
    Write the master's files and return their directory.

    `included` are further files of master.d, by name: lists of included files are joined, while
    a list in the main file would be dropped.
    """
    conf = root / "conf" / "master"
    write_yaml(conf / "master", {**master(root, ports, secret), **settings})
    for name in shipped:
        ship(name, conf / "master.d", root, clone)
    for name, content in included.items():
        write_yaml(conf / "master.d" / name, content)
    (root / "srv").mkdir(exist_ok=True)
    return conf


def write_minion(root: Path, ports: Ports, minion_id: str, settings: Mapping[str, Any]) -> Path:
    """
    Write a minion's file and return its directory.
    """
    conf = root / "conf" / minion_id
    write_yaml(conf / "minion", {**minion(root, ports, minion_id), **settings})
    return conf


def remove(root: Path) -> None:
    """
    Remove a scratch root; a file that just came or went is no reason to fail.
    """
    shutil.rmtree(root, ignore_errors=True)
