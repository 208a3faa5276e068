"""``python -m tests.fakes.impatient``: the command ``agentsvc``, but a provider counts as silent after a moment."""

from agentsvc.cli import main
from agentsvc.models.transport import Limits, Transport

# Workers are forked from here.
Transport.__init__.__kwdefaults__["limits"] = Limits(read_s=0.5)

if __name__ == "__main__":
    main()
