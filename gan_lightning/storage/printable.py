"""Text that a file or a file's name holds, as it may be printed: control characters are shown, not sent to the terminal."""

from __future__ import annotations

import unicodedata

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories: controls, marks of direction, half characters, line ends
JOINERS = "\u200c\u200d"  # of category Cf, but parts of words in many scripts, and of emoji


def printable(text: str) -> str:
    r"""Return the text on one line, with each control character as its escape, such as \n, \x1b or \u202e.

    Half characters are escaped, too: a name that is no UTF-8, or a text that JSON has cut.
    """
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in HIDDEN and letter not in JOINERS else letter
        for letter in text
    )
