"""``python -m tests.fakes.impatient``: the command ``agentsvc`` with little patience for providers that fall silent."""

from agentsvc.cli import main
from agentsvc.models.transport import Limits, Transport

# Workers are forked from here.
defaults = Transport.__init__.__kwdefaults__
assert defaults is not None
defaults["limits"] = Limits(read_s=0.5)

if __name__ == "__main__":
    main()
