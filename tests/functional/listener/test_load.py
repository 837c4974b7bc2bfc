"""
The listener under load and among hostile senders, over real sockets of the loopback: what is accepted is on disk, and
it still answers afterwards.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gzip
import json
import os
import resource
import socket
import ssl
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from _dynatrace.webhook import listener as listener_

from tests.functional.client.servers import Authority
from tests.functional.listener.conftest import (
    TOKEN,
    Served,
    notification,
    parsed,
    read_all,
    request,
    until,
)
from tests.unit.engine.bodies import PID, recommended

SENDERS = 64
NOTIFICATIONS = 5000
#: More than can be open at once.
SILENT = 10_000 if os.environ.get("FULL") else 2500
RIGHT = f"Authorization: Bearer {TOKEN}\r\n".encode()


async def _send_all(port: int, numbers: Iterator[int], statuses: dict[int, int]) -> None:
    """
    Send notifications one after the other over one connection.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        writer.write(request(notification(number)))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        statuses[number] = int(head.split()[1])
    writer.close()


def send_concurrently(port: int, numbers: range, senders: int = SENDERS) -> dict[int, int]:
    """
    Return the status of each notification, sent by so many at the same time.
    """
    statuses: dict[int, int] = {}

    async def run() -> None:
        shared = iter(numbers)
        await asyncio.wait_for(
            asyncio.gather(*(_send_all(port, shared, statuses) for _ in range(senders))), 120
        )

    asyncio.run(run())
    return statuses


def ids(numbers: list[int] | range) -> list[str]:
    """
    Return the problem ids of notifications.
    """
    return [f"{number}_1721545199999V2" for number in numbers]


def test_all_that_64_senders_are_told_is_accepted_is_on_disk(served: Served) -> None:
    """
    5,000 notifications: none lost, none doubled, and the listener answers afterwards.
    """
    statuses = send_concurrently(served.port, range(NOTIFICATIONS))
    assert collections.Counter(statuses.values()) == {202: NOTIFICATIONS}
    assert sorted(served.accepted_ids()) == sorted(ids(range(NOTIFICATIONS)))
    assert served.post(notification(NOTIFICATIONS)) == (202, {"accepted": True})


# -- the disk ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """
    A file system of 1 MiB, which takes root to mount.
    """
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    done = subprocess.run(mount, capture_output=True, timeout=10, check=False)
    if done.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], timeout=10, check=True)


def test_a_full_disk_is_503_until_there_is_room(small_disk: Path) -> None:
    """
    What was accepted before and after is there, and nothing that was refused.
    """
    served = Served(small_disk)
    before = send_concurrently(served.port, range(20), 4)
    assert set(before.values()) == {202}
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    during = send_concurrently(served.port, range(20, 1500), 16)
    assert 503 in set(during.values())
    assert set(during.values()) <= {202, 503}
    status, body = served.post(notification(9999))
    assert (status, body["accepted"]) == (503, False)
    filler.unlink()
    after = send_concurrently(served.port, range(2000, 2020), 4)
    assert set(after.values()) == {202}
    accepted = [number for number, status in {**before, **during, **after}.items() if status == 202]
    assert sorted(served.accepted_ids()) == sorted(ids(accepted))


# -- senders that hold on ----------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """
    A listener that waits a tenth as long as it does.
    """
    monkeypatch.setattr(listener_, "BODY_TIMEOUT_S", 1.0)
    monkeypatch.setattr(listener_, "IDLE_TIMEOUT_S", 3.0)
    served = Served(tmp_path)
    until(lambda: served.post(notification(1))[0] == 202)
    return served


HEAD = b"POST /dynatrace HTTP/1.1\r\nHost: x\r\n" + RIGHT
TRICKLED = {
    "headers": HEAD + b"X: " + b"x" * 8000,
    "body": HEAD + b"Content-Length: 5000\r\n\r\n" + b"{" + b" " * 4999,
    "chunked body": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 2000,
}


@pytest.mark.parametrize("what", TRICKLED)
def test_senders_that_trickle_are_let_go_and_delay_nobody(impatient: Served, what: str) -> None:
    """
    100 of them, a few bytes every tenth of a second; others are answered meanwhile.
    """
    data, position = TRICKLED[what], 120
    slow = [impatient.connect() for _ in range(100)]
    for one in slow:
        one.sendall(data[:position])
        one.setblocking(False)
    left, longest, deadline = list(slow), 0.0, time.monotonic() + 15
    while left and time.monotonic() < deadline:
        began = time.monotonic()
        assert impatient.post(notification(2))[0] == 202
        longest = max(longest, time.monotonic() - began)
        left = [one for one in left if _trickle(one, data[position : position + 6])]
        position += 6
        time.sleep(0.1)
    for one in slow:
        one.close()
    assert not left
    assert longest < 2
    assert set(impatient.accepted_ids()) == set(ids([1, 2]))


def _trickle(connection: socket.socket, data: bytes) -> bool:
    """
    Send a little; False when the listener has hung up.
    """
    try:
        connection.send(data)
        return connection.recv(65536) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.fixture
def files() -> Iterator[int]:
    """
    Room for both ends of many connections in this one process; gives how many can be opened.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SILENT + listener_.MAX_CONNECTIONS + 500
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield max(soft, most) - listener_.MAX_CONNECTIONS - 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def begun(number: int) -> bytes:
    """
    Return what the sender of a silent connection sends before it falls silent: nothing, half a head, half a body.
    """
    wrong = b"POST /dynatrace HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{" + b" " * 3000
    return (b"", b"POST /dynatrace HTTP/1.1\r\nX: " + b"x" * 8000, wrong)[number % 3]


def test_silent_connections_take_neither_files_nor_memory_nor_the_port(
    served: Served, files: int, caplog: pytest.LogCaptureFixture
) -> None:
    """
    2,500 of them, 10,000 with FULL=1: good senders are answered all the while, and what they hold is bounded.
    """
    process = psutil.Process()
    before, files_before, number = process.memory_info().rss, process.num_fds(), 0
    known = served.connect()
    known.sendall(request(notification(9999)))
    assert b" 202 " in known.recv(65536)
    with contextlib.ExitStack() as stack:
        stack.enter_context(known)
        clients = 1
        for number in range(min(SILENT, files)):
            silent = stack.enter_context(served.connect())
            silent.sendall(begun(number))
            clients += 1
            if number % 500 == 499:
                assert served.post(notification(number))[0] == 202
        bound = files_before + listener_.MAX_CONNECTIONS + 100
        until(lambda: process.num_fds() - clients < bound)
        grown = process.memory_info().rss - before
        # Who once showed the right credentials was not closed for their sake.
        known.sendall(request(notification(9998)))
        assert b" 202 " in known.recv(65536)
    assert number > listener_.MAX_CONNECTIONS
    assert grown < listener_.MAX_CONNECTIONS * 100_000
    said = [one.getMessage() for one in caplog.records if "connections are open" in one.message]
    assert len(said) == 1


def test_the_oldest_connection_is_closed_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The others stay, and can still send.
    """
    monkeypatch.setattr(listener_, "MAX_CONNECTIONS", 5)
    served = Served(tmp_path)
    with contextlib.ExitStack() as stack:
        five = [stack.enter_context(served.connect()) for _ in range(5)]
        until(lambda: served.connected() == 5)
        assert served.post(notification(1))[0] == 202
        assert five[0].recv(1) == b""
        five[1].sendall(request(notification(2), "Connection: close"))
        assert parsed(read_all(five[1]))[0] == 202


def test_no_more_connections_are_open_than_half_of_the_files() -> None:
    """
    The ledger and the tenant need the others.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        assert listener_.capacity() == 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_sender_without_a_handshake_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    On a port with TLS, saying nothing or half a hello; others are answered meanwhile.
    """
    monkeypatch.setattr(listener_, "IDLE_TIMEOUT_S", 1.0)
    authority = Authority(tmp_path, "ca")
    authority.server()
    pem = str(tmp_path / "ca-127.0.0.1-False.pem")
    served = Served(tmp_path, ssl_crt=pem, ssl_key=pem)
    trust = ssl.create_default_context(cafile=str(authority.path))
    with served.connect() as nothing, served.connect() as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        with trust.wrap_socket(served.connect(), server_hostname="127.0.0.1") as good:
            good.sendall(request(notification(2), "Connection: close"))
            assert parsed(read_all(good))[0] == 202
        assert nothing.recv(1) == b""
        assert half.recv(1) == b""


def test_connections_that_break_midway_leave_nothing(served: Served) -> None:
    """
    200 of them, at any byte, closed or reset: what is not whole is in no ledger.
    """
    whole = request(notification(2))
    for number in range(200):
        with served.connect() as connection:
            connection.sendall(whole[: len(whole) * number // 200])
            if number % 2:  # Resets the connection instead of closing it.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert served.post(notification(3))[0] == 202
    assert served.accepted_ids() == ids([3])


# -- requests that are odd ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"])
def test_only_utf_8_is_understood(served: Served, charset: str) -> None:
    """
    Whatever the Content-Type claims.
    """
    body = json.dumps(
        recommended(ProblemTitle="Prozess nicht verfügbar"), ensure_ascii=False
    ).encode(charset)
    status, answer = served.post(body, f"Content-Type: application/json; charset={charset}")
    if charset == "utf-7":  # Is ASCII: the text is wrong, the problem is not.
        assert (status, served.accepted_ids()) == (202, [PID])
    else:
        assert (status, answer["accepted"]) == (400, False)
        assert served.accepted_ids() == []


def test_of_a_doubled_key_the_last_value_counts(served: Served) -> None:
    """
    As JSON readers have it.
    """
    assert served.post(b'{"PID": "1_1V2", "PID": "%s", "State": "OPEN"}' % PID.encode())[0] == 202
    assert served.accepted_ids() == [PID]


def bare(body: bytes) -> bytes:
    """
    Return a deflate stream without its wrapping, as some send it.
    """
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    " Deflate": bare,
    "identity": bytes,
    "gzip, identity": gzip.compress,
    "": bytes,
}


@pytest.mark.parametrize("name", PACKINGS)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_compressed_body_is_unpacked(served: Served, name: str, chunked: bool) -> None:
    """
    Dynatrace compresses nothing; what stands between may.
    """
    body = PACKINGS[name](notification(2))
    headers = [f"Content-Encoding: {name}", "Connection: close"]
    if chunked:
        data = request(b"", *headers, "Transfer-Encoding: chunked", length=-1)
        parts = [body[at : at + 7] for at in range(0, len(body), 7)]
        data += b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        data = request(body, *headers)
    with served.connect() as connection:
        connection.sendall(data)
        assert parsed(read_all(connection)) == (202, {"accepted": True})
    assert served.accepted_ids() == ids([2])


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bare])
def test_a_bomb_is_not_unpacked(served: Served, pack: Callable[[bytes], bytes]) -> None:
    """
    50 MB in 50 kB: no more than may come is ever unpacked.
    """
    bomb = pack(b'{"PID": "%s"' % PID.encode() + b" " * 50_000_000 + b"}")
    name = "gzip" if pack is gzip.compress else "deflate"
    assert len(bomb) < 100_000
    process = psutil.Process()
    before = process.memory_info().rss
    for _ in range(20):
        status, answer = served.post(bomb, f"Content-Encoding: {name}")
        assert (status, answer["accepted"]) == (413, False)
        assert "when it is unpacked (max_body)" in answer["reason"]
    assert process.memory_info().rss - before < 20_000_000
    assert served.accepted_ids() == []


def test_what_is_just_not_too_large_is_unpacked(tmp_path: Path) -> None:
    """
    The limit is of the body, packed and unpacked alike.
    """
    served = Served(tmp_path, max_body=4096)
    until(lambda: served.post(notification(1))[0] == 202)
    body = notification(2)
    for size, status in ((4096, 202), (4097, 413)):
        packed = gzip.compress(body.ljust(size))
        assert served.post(packed, "Content-Encoding: gzip")[0] == status


WHOLE = gzip.compress(notification(2))
STREAMS = {
    "cut": WHOLE[:-20],
    "without its end": WHOLE[:-1],
    "wrong sum": WHOLE[:-8] + b"\0" * 8,
    "other bytes": notification(2),
    "nothing": b"",
    "one after the other": WHOLE + WHOLE,
    "with an appendix": WHOLE + b"x",
    "damaged": WHOLE[:20] + b"\xff" * 20 + WHOLE[40:],
}


@pytest.mark.parametrize("name", ["gzip", "deflate"])
@pytest.mark.parametrize("how", STREAMS)
def test_a_broken_stream_is_refused_for_what_it_is(served: Served, how: str, name: str) -> None:
    """
    And nothing of it is taken.
    """
    status, answer = served.post(STREAMS[how], f"Content-Encoding: {name}")
    assert status == 400
    assert "Content-Encoding" in answer["reason"] or "whole stream" in answer["reason"]
    assert served.accepted_ids() == []


@pytest.mark.parametrize(
    "name", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "x" * 8000, "gzip;q=1"]
)
def test_a_coding_that_is_not_understood_is_refused_for_what_it_is(
    served: Served, name: str
) -> None:
    """
    Before the body is read, with what is understood; the connection goes on.
    """
    with served.connect() as connection:
        connection.sendall(request(b"{}", f"Content-Encoding: {name}"))
        connection.sendall(request(notification(2), "Connection: close"))
        first, _, rest = read_all(connection).partition(b"\n")
    assert b" 415 " in first
    assert b"Accept-Encoding: gzip, deflate" in rest
    assert b"in one of gzip, deflate" in rest
    assert rest.count(b" 202 ") == 1
    assert served.accepted_ids() == ids([2])


def test_credentials_come_before_the_coding(served: Served) -> None:
    """
    Who has none is told nothing else.
    """
    with served.connect() as connection:
        connection.sendall(
            b"POST /dynatrace HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )
        answer = read_all(connection)
    assert parsed(answer)[0] == 401


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    """
    It has no keep-alive unless it asks for it.
    """
    with served.connect() as connection:
        connection.sendall(request(notification(2), version="1.0"))
        assert parsed(read_all(connection)) == (202, {"accepted": True})
    assert served.accepted_ids() == ids([2])


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    """
    Each for itself: one that is refused does not spoil the next.
    """
    wrong = request(b"{}")
    last = request(notification(3), "Connection: close")
    with served.connect() as connection:
        connection.sendall(request(notification(2)) + wrong + last)
        answers = read_all(connection)
    assert [int(line.split()[1]) for line in answers.splitlines() if line.startswith(b"HTTP/")] == [
        202,
        400,
        202,
    ]
    assert served.accepted_ids() == ids([2, 3])


def test_a_chunked_body_is_taken(served: Served) -> None:
    """
    In chunks of any size.
    """
    body = notification(2)
    parts = [body[begin : begin + 7] for begin in range(0, len(body), 7)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    with served.connect() as connection:
        connection.sendall(
            request(b"", "Transfer-Encoding: chunked", "Connection: close", length=-1) + chunks
        )
        assert parsed(read_all(connection))[0] == 202
    assert served.accepted_ids() == ids([2])


BROKEN = {
    "a chunk of no size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "an endless chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n{}",
    "a length that is no number": HEAD + b"Content-Length: many\r\n\r\n{}",
    "a huge length": HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "both framings": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "headers without end": HEAD + b"X: y\r\n" * 20_000,
    "a line without end": b"POST /" + b"x" * 100_000,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "nulls": b"\0" * 1000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_framing_is_refused_and_leaves_the_listener_whole(served: Served, name: str) -> None:
    """
    It is answered with 400 or 413, or with nothing; never accepted, and never a 500.
    """
    answer = served.send(BROKEN[name])
    assert answer == b"" or answer.split()[1] in (b"400", b"413")
    assert served.accepted_ids() == []
    assert served.post(notification(2))[0] == 202
