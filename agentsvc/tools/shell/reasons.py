"""Why a shell command is asked about: every code there is. A reason of safety cannot be answered by a rule."""

from agentsvc.domain.permissions import Reason

_DOUBTS = {
    "unparsable": "The command is not well-formed shell.",
    "too_long": "The command is too long to be judged.",
    "too_complex": "The command is too complex to be judged.",
    "unprintable": "The command contains characters that cannot be seen.",
    "substitution": "The command runs another command to build its words.",
    "expansion": "The command contains an expansion whose value is not known.",
    "subshell": "The command contains a subshell.",
    "group": "The command contains a brace group.",
    "control_structure": "The command contains a loop or a condition.",
    "function": "The command defines a function.",
    "test_command": "The command evaluates a shell expression.",
}

_PLAIN_DOUBTS = {
    "variable": "The command uses a variable whose value is not known.",
    "assignment": "The command changes variables.",
    "background": "The command leaves something running in the background.",
    "heredoc": "The command contains a here-document.",
    "redirect": "The command redirects in an unusual way.",
    "comment": "The command contains a comment.",
    "line_continuation": "The command continues over several lines.",
    "ansi_quote": "The command contains words with escape codes.",
    "brace_expansion": "The command contains a brace expansion.",
    "not_understood": "The command is not fully understood.",
}

_DANGERS = {
    "secret_path": "The command reads a place that holds secrets.",
    "dangerous_path": "The command touches a file that changes how other programs behave.",
    "destructive": "The command may destroy more than can be restored.",
    "privilege": "The command runs something with other rights.",
    "pipe_to_shell": "The command hands text to an interpreter that runs it.",
}

_PLAIN = {
    "not_read_only": "It is not known that the command only reads.",
    "unknown_path": "It is not known which files the command touches.",
    "elsewhere": "The command depends on files of another directory, which may make it run programs.",
    "repository": "The settings of the repository may make git run other programs.",
    "outside": "The command reaches outside the working directories.",
    "writes": "The command changes files.",
    "edits": "The command only changes files in the working directories.",
}

REASONS: dict[str, Reason] = {
    code: Reason(code=code, message=message, safety=safety)
    for group, safety in ((_DOUBTS, True), (_PLAIN_DOUBTS, False), (_DANGERS, True), (_PLAIN, False))
    for code, message in group.items()
}
"""By code."""


def worst(reasons: tuple[Reason, ...]) -> Reason | None:
    """The one to show: a reason of safety before any other, the first before later ones."""
    return next((reason for reason in reasons if reason.safety), reasons[0] if reasons else None)
