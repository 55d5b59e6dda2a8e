"""Text -> conditions, by recursive descent: one method for each line of the grammar.

either    = both {"or" both}
both      = part {"and" part}
part      = "not" part | "(" either ")" | "has" key | key test
test      = ("=" | "!=" | "<" | "<=" | ">" | ">=") value
          | ["not"] "in" "(" value {"," value} ")"
          | ["not"] "like" value | "~" value | "is" ["not"] "null"
key       = word | quoted
value     = word | quoted
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from shitu.errors import WhereError
from shitu.gallery.where_conditions import (
    ORDERS,
    Both,
    Condition,
    Either,
    Has,
    Key,
    Like,
    Not,
    OneOf,
    Ordered,
    Value,
    read_number,
)

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>'(?:[^']|'')*' | "(?:[^"]|"")*")
      | (?P<symbol>!=|<>|<=|>=|==|[=<>~(),])
      | (?P<word>[^\s'"!<>=~(),]+)
      | (?P<wrong>\S)
      | (?P<end>$)
    )""",
    re.VERBOSE,
)
_KEYWORDS = {"and", "or", "not", "in", "like", "has", "is", "null"}
_OWN = {"label", "item"}
_EQUAL = {"=": False, "==": False, "!=": True, "<>": True}
_DEPTH = 50  # of parentheses and nots; beyond it Python's own stack would be the limit

_A_KEY = "the name of an attribute, 'label' or 'item'"
_A_PART = "the name of an attribute, 'label', 'item', 'has', 'not' or '('"
_A_TEST = "one of = != < <= > >= ~, 'in', 'like' or 'is'"
_A_VALUE = "a value"
_MORE = "'and', 'or' or the end (a value with blanks in it needs quotes)"
_CLOSING = "')', 'and' or 'or' (a value with blanks in it needs quotes)"


@dataclass(frozen=True)
class Token:
    """A word, quoted text, symbol or the end; `at` counts characters from 0."""

    kind: str
    text: str
    at: int

    @property
    def keyword(self) -> str:
        """The keyword that it is, in lower case, or nothing."""
        low = self.text.lower()
        return low if self.kind == "word" and low in _KEYWORDS else ""

    def is_symbol(self, *symbols: str) -> bool:
        """Whether it is one of these."""
        return self.kind == "symbol" and self.text in symbols


class Parser:
    """Reads one filter.

    Raises:
        WhereError: a character begins no token.
    """

    def __init__(self, text: str) -> None:
        self._text = unicodedata.normalize("NFC", text)
        self._tokens = self._split()
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        """Return the condition.

        Raises:
            WhereError: the text is no filter; says where, what was found and what expected.
        """
        condition = self._either()
        if self._now.kind != "end":
            raise self._wrong(_MORE)
        return condition

    def _split(self) -> list[Token]:
        tokens: list[Token] = []
        at = 0
        while not tokens or tokens[-1].kind != "end":
            found = _TOKEN.match(self._text, at)
            assert found is not None  # noqa: S101 - one of the alternatives always fits
            kind = found.lastgroup or "end"
            tokens.append(Token(kind, found[kind], found.start(kind)))
            at = found.end()
            if kind == "wrong":
                raise self._unfit(tokens[-1])
        return tokens

    def _unfit(self, token: Token) -> WhereError:
        if token.text in "'\"":
            return self._error(token, "a quote that is never closed", f"another {token.text}")
        return self._error(token, repr(token.text), "!= or 'not'")

    # --- the grammar -------------------------------------------------------------------

    def _either(self) -> Condition:
        return self._joined("or", self._both, Either)

    def _both(self) -> Condition:
        return self._joined("and", self._part, Both)

    def _joined(
        self,
        word: str,
        part: Callable[[], Condition],
        join: Callable[[tuple[Condition, ...]], Condition],
    ) -> Condition:
        parts = [part()]
        while self._take_keyword(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _part(self) -> Condition:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._wrong(f"no more than {_DEPTH} parentheses and nots in one another")
        condition = self._inner_part()
        self._depth -= 1
        return condition

    def _inner_part(self) -> Condition:
        if self._take_keyword("not"):
            return Not(self._part())
        if self._take_symbol("("):
            condition = self._either()
            self._need_symbol(")", _CLOSING)
            return condition
        if self._take_keyword("has"):
            return Has(self._key(_A_KEY))
        return self._test(self._key(_A_PART))

    def _key(self, expected: str) -> Key:
        token = self._need(("word", "quoted"), expected)
        if token.kind == "quoted":
            return Key(_unquoted(token.text))
        return Key(token.text, own=token.text in _OWN)

    def _test(self, key: Key) -> Condition:
        token = self._now
        if token.is_symbol(*_EQUAL):
            self._place += 1
            return OneOf(key, (self._value(),), _EQUAL[token.text])
        if token.is_symbol(*ORDERS):
            self._place += 1
            return Ordered(key, token.text, self._value())
        if self._take_symbol("~"):
            return Like(key, self._value().text)
        if self._take_keyword("is"):
            return self._null(key)
        return self._worded(key)

    def _null(self, key: Key) -> Condition:
        there = self._take_keyword("not")
        if not self._take_keyword("null"):
            raise self._wrong("'null'" if there else "'null' or 'not null'")
        return Has(key) if there else Not(Has(key))

    def _worded(self, key: Key) -> Condition:
        negated = self._take_keyword("not")
        if self._take_keyword("in"):
            return OneOf(key, self._values(), negated)
        if self._take_keyword("like"):
            return Like(key, self._value().text, negated)
        raise self._wrong("'in' or 'like'" if negated else _A_TEST)

    def _values(self) -> tuple[Value, ...]:
        self._need_symbol("(", "'(' and the values")
        values = [self._value()]
        while self._take_symbol(","):
            values.append(self._value())
        self._need_symbol(")", "',' or ')'")
        return tuple(values)

    def _value(self) -> Value:
        token = self._need(("word", "quoted"), _A_VALUE)
        if token.kind == "quoted":
            return Value(_unquoted(token.text))
        return Value(token.text, read_number(token.text))

    # --- tokens ------------------------------------------------------------------------

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _need(self, kinds: tuple[str, ...], expected: str) -> Token:
        token = self._now
        if token.kind not in kinds or token.keyword:
            raise self._wrong(expected)
        self._place += 1
        return token

    def _take_keyword(self, word: str) -> bool:
        taken = self._now.keyword == word
        self._place += taken
        return taken

    def _take_symbol(self, symbol: str) -> bool:
        taken = self._now.is_symbol(symbol)
        self._place += taken
        return taken

    def _need_symbol(self, symbol: str, expected: str) -> None:
        if not self._take_symbol(symbol):
            raise self._wrong(expected)

    def _wrong(self, expected: str) -> WhereError:
        token = self._now
        return self._error(token, "the end" if token.kind == "end" else repr(token.text), expected)

    def _error(self, token: Token, found: str, expected: str) -> WhereError:
        return WhereError(
            f"the filter {self._text!r} cannot be read at character {token.at + 1}: "
            f"found {found}, expected {expected}"
        )


def _unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)
