"""
Bounds the time of a whole HTTP answer: a socket's own timeout bounds the wait for the next byte only.
"""

import http.client
import io


def answers(left):
    """
    Return what makes the answers of ``http.client``, which must be complete while time is left.

    ``left`` is a function that returns the seconds.
    """

    def answer(sock, *args, **kwargs):
        made = http.client.HTTPResponse(sock, *args, **kwargs)
        made.fp = io.BufferedReader(_Reader(made.fp.detach(), sock, left))
        return made

    return answer


class _Reader(io.RawIOBase):
    """
    The reading side of a socket that sets its timeout before each read.
    """

    def __init__(self, raw, sock, left):
        super().__init__()
        self._raw, self._sock, self._left = raw, sock, left
        self._timeout = sock.gettimeout()

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self._left()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        return self._raw.readinto(buffer)

    def close(self):
        if not self.closed:
            self._raw.close()
        super().close()
