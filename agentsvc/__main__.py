"""``python -m agentsvc`` is the command ``agentsvc``."""

from agentsvc.cli import main

main()
