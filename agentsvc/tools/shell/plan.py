"""The commands of a script in order: what each does, and to which paths, wherever ``cd`` has led by then."""

import posixpath
from collections.abc import Iterator, Sequence

from msgspec import Struct

from agentsvc.tools.shell.effects import Effect, effect_of, redirect_uses
from agentsvc.tools.shell.script import PathUse, Script, SimpleCommand

MAX_PLACES = 8
MAX_USES = 500

_Places = frozenset[str]
_START: _Places = frozenset({""})
_REPOSITORY = PathUse(".", "repository")


class Step(Struct, frozen=True):
    """``uses`` are the paths as seen from the start of the script. ``places``: where the command may run."""

    command: SimpleCommand
    effect: Effect
    uses: tuple[PathUse, ...]
    places: frozenset[str]


def plan(script: Script) -> tuple[Step, ...] | None:
    """None when there is too much to follow. What is doubted is taken to run where the script starts."""
    if script.doubts:
        steps = tuple(_step(command, _START) for command in script.commands)
    else:
        steps = tuple(_followed(script.commands))
    too_far = any(len(step.places) > MAX_PLACES for step in steps)
    return None if too_far or sum(len(step.uses) for step in steps) > MAX_USES else steps


def paths_of(script: Script) -> tuple[PathUse, ...]:
    """Every path that the script may use, each once. Of a script with doubts: as many as could be found."""
    found = [use for step in plan(script) or () for use in step.uses]
    found += [use for redirect in script.redirects for use in redirect_uses(redirect)]
    found += [PathUse(place, "list") for step in plan(script) or () for place in step.places if place]
    return tuple(dict.fromkeys(found))


def _followed(commands: Sequence[SimpleCommand]) -> Iterator[Step]:
    """Where commands run after success, and where after failure, kept apart as ``&&`` and ``||`` do."""
    won, lost = _START, frozenset[str]()
    for pipeline in _pipelines(commands):
        match pipeline[0].operator:
            case "&&":
                places, skipped_won, skipped_lost = won, frozenset[str](), lost
            case "||":
                places, skipped_won, skipped_lost = lost, won, frozenset[str]()
            case _:
                places, skipped_won, skipped_lost = won | lost, frozenset[str](), frozenset[str]()
        steps = [_step(command, places) for command in pipeline]
        yield from steps
        won, lost = skipped_won | _after(steps, places), skipped_lost | places


def _pipelines(commands: Sequence[SimpleCommand]) -> Iterator[list[SimpleCommand]]:
    pipeline: list[SimpleCommand] = []
    for command in commands:
        if pipeline and command.operator != "|":
            yield pipeline
            pipeline = []
        pipeline.append(command)
    if pipeline:
        yield pipeline


def _step(command: SimpleCommand, places: _Places) -> Step:
    effect = effect_of(command)
    joined = (_at(place, use) for place in sorted(places) or ("",) for use in effect.uses)
    repository = (_REPOSITORY,) if effect.here else ()
    return Step(command, effect, tuple(dict.fromkeys((*joined, *repository))), places)


def _at(place: str, use: PathUse) -> PathUse:
    return PathUse(_join(place, use.path), use.role, use.pattern)


def _join(place: str, path: str) -> str:
    return path if path.startswith(("/", "~")) or not place else f"{place.rstrip('/')}/{path}"


def _after(steps: Sequence[Step], places: _Places) -> _Places:
    """Where the shell may be after a pipeline that succeeded. Shells differ in whether ``cd`` inside of one counts."""
    changes = [step for step in steps if step.command.program.text == "cd" and step.effect.kind != "anything"]
    if not changes or len(places) > MAX_PLACES:
        return places
    reached = {place for step in changes for place in _reached(step, places)}
    return frozenset(reached) if len(steps) == 1 else places | reached


def _reached(change: Step, places: _Places) -> Iterator[str]:
    target = next(word for word in change.command.arguments if word.text != "--")
    for place in places:
        reached = _join(place, target.text if target.home else _literal(target.text))
        yield reached
        # The shell takes ".." off the name of a directory, and where that leads nowhere follows links as programs do.
        yield posixpath.normpath(reached) if ".." in reached else reached


def _literal(path: str) -> str:
    return f"./{path}" if path.startswith("~") else path
