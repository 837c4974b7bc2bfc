"""
A cursor over the words of a query, and the refusals that name a word.
"""

from __future__ import annotations

from tests.tenant.platform.dql.errors import DqlError
from tests.tenant.platform.dql.lexer import Word, words


class Reader:
    """
    Gives one word after the other.
    """

    def __init__(self, query: str) -> None:
        self.words = words(query)
        self.at = 0

    @property
    def word(self) -> Word:
        """
        The word that comes next.
        """
        return self.words[self.at]

    def take(self) -> Word:
        """
        Give the next word and go on.
        """
        word = self.word
        self.at += word.kind != "end"
        return word

    def taken(self, *values: str) -> bool:
        """
        Go on if the next word is one of these signs or names.
        """
        found = self.word.kind in ("sign", "name") and self.word.value in values
        self.at += found
        return found

    def must(self, value: str) -> None:
        """
        Go on, or refuse what is there instead.
        """
        if not self.taken(value):
            raise self.refused(f"`{value}` is missing")

    def name(self) -> Word:
        """
        Give the next word, which must be a name.
        """
        return self._of("name")

    def text(self) -> Word:
        """
        Give the next word, which must be a quoted text.
        """
        return self._of("text")

    def whole(self) -> int:
        """
        Give the next word, which must be a whole number.
        """
        word = self._of("number")
        return int(float(word.value))

    def joined(self) -> bool:
        """
        Say whether the next word stands at the end of the latest, without a blank.
        """
        return self.at > 0 and self.words[self.at - 1].end == self.word.begin

    def refused(self, why: str = "") -> DqlError:
        """
        Make the refusal of the next word.
        """
        shown = f"`{self.word.value}`" if self.word.kind != "end" else "The end of the query"
        text = f"{shown} isn't allowed here." + (f" {why}." if why else "")
        return DqlError("PARSE_ERROR", text, self.word.begin, self.word.end)

    def _of(self, kind: str) -> Word:
        if self.word.kind != kind:
            raise self.refused()
        return self.take()
