"""How large a regular expression becomes when what must repeat is written out, which compiling it does."""

import re

# A class, an escaped character, a group's ends, a count, white space, any other character.
_PIECE = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|[()]|\{\s*(?P<count>[0-9]+)|(?P<blank>\s)|.", re.DOTALL)


def unrolled(pattern: str) -> int:
    """An estimate, in characters, that is rather too high."""
    sums = [0]
    last = 0
    for piece in _PIECE.finditer(pattern):
        if piece["count"]:
            more = last * (max(1, int(piece["count"].lstrip("0")[:12] or 0)) - 1)
            sums[-1] += more
            last += more
        elif piece[0] == "(":
            sums.append(1)
        elif piece[0] == ")" and len(sums) > 1:
            last = sums.pop()
            sums[-1] += last
        elif not piece["blank"]:
            last = 1
            sums[-1] += 1
    return sum(sums)
