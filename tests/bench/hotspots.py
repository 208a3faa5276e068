"""Where a profile of py-spy spent its time.

``python -m tests.bench.hotspots FILE [HOW MANY [WHAT FRAMES CONTAIN]]``
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_MOST = 25


def hotspots(path: Path, most: int = _MOST, containing: str = "") -> Iterator[str]:
    """Functions by their own share of the samples, and by their share with all that they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = [_function(frame) for frame in stack.split(";") if ".py:" in frame]
        if not frames:  # a thread without Python, busy or not
            continue
        own[frames[-1]] += int(samples)
        for frame in set(frames):
            whole[frame] += int(samples)
    total = own.total() or 1
    for title, counts in (("own", own), ("with what it calls", whole)):
        yield f"{title}, % of {total} samples"
        shown = [(frame, count) for frame, count in counts.most_common() if containing in frame]
        yield from (f"  {100 * count / total:5.1f}  {frame}" for frame, count in shown[:most])


def _function(frame: str) -> str:
    """Without the line: ``take (agentsvc/bus/hub.py)``."""
    return frame.rsplit(":", 1)[0].rstrip(")") + ")"


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    print("\n".join(hotspots(Path(name), int(rest[0]) if rest else _MOST, rest[1] if rest[1:] else "")))
