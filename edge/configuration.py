"""The configuration file: TOML with the names of the flags, read from the parser itself."""

import argparse
import contextlib
import difflib
import tomllib
from pathlib import Path

from edgemask.errors import EdgemaskError, OptionError


def config_option(parser):
    """Declare --config, for a verb whose options `parse` reads."""
    parser.add_argument("--config", metavar="FILE",
                        help="TOML with the flags' names (max-size = \"100M\"); flags given here win")  # fmt: skip


def parse(parser, arguments: list[str]) -> argparse.Namespace:
    """`parser.parse_args`, where --config's FILE says what the command line does not.

    An entry is called like its flag without the dashes, or like the positional argument. A flag without a value is
    true or false, one that may be repeated is a list; a positional argument may stand in either place. Raises
    OptionError, which names the file and the entry.
    """
    path = _path(arguments)
    if path is None:
        return parser.parse_args(arguments)
    actions = {_name(action): action for action in parser._actions if action.dest not in ("help", "config")}
    given = {argument.partition("=")[0] for argument in arguments}
    values = argparse.Namespace()
    for name, value in _entries(path).items():
        try:
            action = _action(actions, name)
            value = _value(parser, action, value)
        except (argparse.ArgumentError, OptionError) as error:
            raise OptionError(f"{path}: {error}") from error
        if given.isdisjoint(action.option_strings):
            setattr(values, action.dest, value)
    positional = [action for action in actions.values() if not action.option_strings]
    for action in positional:  # the command line need not have it any more
        action.nargs, action.default, action.required = "?", getattr(values, action.dest, None), False
    options = parser.parse_args(arguments, values)
    for action in positional:
        if getattr(options, action.dest) is None:
            raise OptionError(f"{path}: there is no entry {action.dest!r}, and no {action.metavar} on the command line")
    return options


@contextlib.contextmanager
def naming(path):
    """Within the block errors begin with the name of the configuration file, where there is one."""
    try:
        yield
    except EdgemaskError as error:
        if path is None:
            raise
        raise type(error)(f"{path}: {error}") from error


def _path(arguments):
    only = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    only.add_argument("--config", nargs="?")  # without a FILE the verb's own parser complains
    return only.parse_known_args(arguments)[0].config


def _entries(path):
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # TOML's own errors, and what is not UTF-8
        raise OptionError(f"{path} is not TOML: {error}") from error


def _name(action):
    return action.option_strings[-1].lstrip("-") if action.option_strings else action.dest


def _action(actions, name):
    if name not in actions:
        near = difflib.get_close_matches(name, actions, 1, 0.5)
        hint = f"is it {near[0]!r}?" if near else f"there are {', '.join(actions)}"
        raise OptionError(f"no entry is called {name!r}; {hint}")
    return actions[name]


def _value(parser, action, value):
    """What the command line would make of the entry's value."""
    if action.nargs == 0:
        return _expect(action, value, bool, "true or false")
    if action.nargs == "?" and isinstance(value, bool):
        return action.const if value else action.default
    if isinstance(action, argparse._AppendAction):
        return [_converted(parser, action, one) for one in _expect(action, value, list, "a list")]
    return _converted(parser, action, value)


def _converted(parser, action, value):
    values = _expect(action, value, list, "a list of lists") if action.nargs in ("+", "*") else [value]
    for one in values:
        _expect(action, one, str | int | float, "a string or a number")
    return parser._get_values(action, [str(one) for one in values])


def _expect(action, value, kind, words):
    if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
        raise OptionError(f"{_name(action)} = {value!r} should be {words}")
    return value
