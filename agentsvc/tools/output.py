"""What a program writes, as text of bounded length."""

import codecs

from agentsvc.agent.backend import Output


class CappedText:
    """The first ``most`` characters of both streams as they come. ``omitted``: how many more there were.

    A character that comes in pieces is given when it is whole; what is not UTF-8 becomes U+FFFD.
    """

    def __init__(self, most: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self.omitted = 0
        self._left = most
        self._decoders = {"stdout": decoder("replace"), "stderr": decoder("replace")}

    def add(self, output: Output) -> str:
        """What of it may be shown; often nothing."""
        return self._cut(self._decoders[output.stream].decode(output.data))

    def end(self) -> str:
        """What is left of characters that never came whole."""
        return self._cut("".join(decoder.decode(b"", final=True) for decoder in self._decoders.values()))

    def _cut(self, text: str) -> str:
        shown = text[: self._left]
        self._left -= len(shown)
        self.omitted += len(text) - len(shown)
        return shown
