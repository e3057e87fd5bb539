"""What others named, as C that cannot be anything but a name, a comment or a string."""

from __future__ import annotations

import re
from string import ascii_letters, digits

from pennyweight.core.text import visible

_TAKEN = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
alignas alignof and and_eq asm bitand bitor bool catch class compl constexpr const_cast decltype delete dynamic_cast
explicit export false friend mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected
public reinterpret_cast static_assert static_cast template this thread_local throw true try typeid typename typeof
using virtual wchar_t xor xor_eq
assert complex ctype errno fenv inttypes iso646 limits locale main math pennyweight setjmp signal stdarg stdbool stddef
stdint stdio stdlib string tgmath time wctype window
"""
"""Keywords of C99 and of C++, as an Arduino sketch is C++; and files that a `NAME.h` or `NAME.c` would hide."""

_RESERVED = frozenset(_TAKEN.split())

_PLAIN = frozenset(ascii_letters + digits + " _-.,()")

LONGEST_IDENTIFIER = 24
"""With a suffix it stays within the 31 characters that C99 promises to tell apart (5.2.4.1)."""


def identifier(name: str) -> str:
    """A C identifier, of the name's letters and digits where it has some.

    >>> identifier("my net (v2)"), identifier("2nd"), identifier("int"), identifier("äöü")
    ('my_net_v2', 'model_2nd', 'model_int', 'model')
    """
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:LONGEST_IDENTIFIER].strip("_")
    if not word:
        return "model"
    lower = word.lower()
    if word[0].isdigit() or lower in _RESERVED or lower.startswith("pw_") or lower.endswith("_s8"):
        return f"model_{word}"[:LONGEST_IDENTIFIER].strip("_")
    return word


def comment(text: str) -> str:
    """Text that can stand inside a C comment: visible ASCII, without what ends or begins one, or a trigraph.

    >>> comment("a */ int x; /* b"), comment("café ??/")
    ('a * / int x; / * b', 'caf|xe9 ? ?/')
    """
    ascii_text = visible(text).encode("ascii", "backslashreplace").decode().replace("\\", "|")
    return ascii_text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def string_literal(text: str) -> str:
    r"""A C string of the text in UTF-8; whatever is not a plain character becomes three octal digits.

    >>> print(string_literal('a "cat"?\n'))
    "a \042cat\042\077\012"
    """
    plain = (chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}" for byte in _utf8(text))
    return f'"{"".join(plain)}"'


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace").replace(b"\0", b" ")
