"""What every script shares: reading a config, and turning mistakes into a sentence."""

import argparse
import contextlib
import difflib
import dis
import errno
import importlib.util
import logging
import os
import pathlib
import re
import select
import signal
import sys
from collections.abc import Callable

from absl import flags
from ml_collections import ConfigDict, config_flags

from configs import base

ROOT = pathlib.Path(__file__).resolve().parents[1]
_OURS = ("research", "configs", "scripts")
# Raised by our own code on a user's mistake: the message is one sentence.
_MISTAKES = (ValueError, FileNotFoundError, FloatingPointError)
_FULL = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


def run(main: Callable[[list[str]], None]) -> None:
    """Runs a script; it ends quietly when who reads its output has left (`| head`)."""
    try:
        try:
            main(sys.argv[1:])
        finally:
            sys.stdout.flush()  # here, not at Python's end: that would print the error
    except BrokenPipeError:
        if _has_reader():
            raise  # another pipe is broken, which is a bug
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _has_reader() -> bool:
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # a pipe's broken end is told all the same
    return not poll.poll(0)


def parser(doc: str) -> argparse.ArgumentParser:
    """Makes a parser whose help is the script's docstring."""
    return argparse.ArgumentParser(
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def parse(own: argparse.ArgumentParser, argv: list[str]):
    """Splits a command line into the script's own options and the config's.

    Returns:
      (options, config arguments): the latter are for `load_config`.
    """
    # Orbax logs pages of what it then raises.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    options, rest = own.parse_known_args(argv)
    for argument in rest:
        if not re.match(r"--?config=|--?(no)?config\.[\w.]+(=|$)", argument):
            own.error(
                f"unknown argument {argument!r} (config keys: --config.key=value)"
            )
    return options, rest


@contextlib.contextmanager
def one_sentence_errors():
    """Ends the program with exit code 2 and one sentence on a user's mistake.

    A mistake is a ValueError, FileNotFoundError or FloatingPointError that a `raise`
    of this project raised, or an operating system error such as a full disk, or a path
    on the command line that leads nowhere. Anything else is a bug and keeps its
    traceback.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except (*_MISTAKES, OSError) as error:
        if isinstance(error, _MISTAKES) and _raised_here(error):
            _leave(str(error))
        if isinstance(error, OSError) and (sentence := _of_system(error)):
            _leave(sentence)
        raise


def _of_system(error: OSError) -> str | None:
    """Writes the sentence for an error that the user can mend; None for a bug."""
    where = error.filename or "a file of the run"
    if error.errno == errno.EACCES:
        return f"{where} may not be opened ({error.strerror}); change its permissions"
    if error.errno in _FULL:
        return (
            f"{where} cannot be written ({error.strerror}); make room or choose "
            "another --workdir; the same command resumes from the last checkpoint"
        )
    if error.errno in _NOWHERE and _typed(str(where)):
        return f"{where} cannot be opened ({error.strerror}); correct the path"
    return None


def _typed(file: str) -> bool:
    """Tells whether the command line names a file, or a folder that it is in."""
    paths = [argument.rpartition("=")[2] for argument in sys.argv[1:]]
    # What is written is first written beside it, with an ending of its own.
    return any(p and (file == p or file.startswith((f"{p}/", f"{p}."))) for p in paths)


def _leave(sentence: str):
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _raised_here(error: BaseException) -> bool:
    """Tells whether a `raise` statement of this project raised the error."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    at_raise = dis.opname[code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
    file = pathlib.Path(code.co_filename)  # the environment may lie under ROOT too
    return at_raise and any(file.is_relative_to(ROOT / part) for part in _OURS)


def load_config(argv: list[str]) -> ConfigDict:
    """Reads `--config=FILE[:argument]` and every `--config.key=value` after it.

    Args:
      argv: the command line without the program's name.

    Returns:
      The resolved, locked config; `config.name` is set.

    Raises:
      ValueError: no such file, an unknown key or a value of another type.
    """
    named = [a.split("=", 1)[1] for a in argv if re.match(r"--?config=", a)]
    if len(named) != 1:
        raise ValueError(
            f"give one config as --config=configs/<name>.py, got {len(named)}; "
            f"there are: {', '.join(config_names())}"
        )
    config = read_config(named[0])
    overrides = [a for a in argv if re.match(r"--?(no)?config\.", a)]
    _apply_overrides(config, overrides)
    check_keys(config)
    config.lock()
    return config


def config_names() -> list[str]:
    """Lists the experiments of `configs/`."""
    files = (ROOT / "configs").glob("*.py")
    return sorted(f.stem for f in files if f.stem not in ("__init__", "base"))


def read_config(name: str) -> ConfigDict:
    """Runs a config file: `configs/lenet_digits.py:quick`, or just `lenet_digits`.

    Raises:
      ValueError: no such file, or an unknown key inside it.
    """
    path, _, argument = name.partition(":")
    file = pathlib.Path(path)
    if not file.is_file():
        file = ROOT / "configs" / f"{pathlib.Path(path).stem}.py"
    if not file.is_file() or file.suffix != ".py" or file.stem == "base":
        raise ValueError(
            f"there is no config {path!r}; use one of {', '.join(config_names())}"
        )
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise ValueError(f"{file} defines no get_config(arg); see configs/")
        config = module.get_config(argument)
    except AttributeError as error:
        _explain_key(error, file)
        raise
    except TypeError as error:
        raise ValueError(f"{file}: {error}; correct the value or its type") from error
    config.name = config.name or file.stem + (f"_{argument}" if argument else "")
    return config.copy_and_resolve_references()


def _explain_key(error: AttributeError, where) -> None:
    """Raises the sentence for ml_collections' unknown key, if that is what it is."""
    near = re.search(r'Did you mean "(\w+)" instead of "(\w+)"', str(error))
    match = re.search(r'Key "(\w+)" does not exist', str(error))
    if near:
        sentence = f"unknown config key {near[2]!r}; did you mean {near[1]!r}?"
        raise ValueError(f"{where}: {sentence}") from error
    if match:
        sentence = f"unknown config key {match[1]!r}; see configs/base.py"
        raise ValueError(f"{where}: {sentence}") from error


def _apply_overrides(config: ConfigDict, overrides: list[str]) -> None:
    values = flags.FlagValues()
    config_flags.DEFINE_config_dict(
        "config",
        config,
        flag_values=values,
        lock_config=False,
        accept_new_attributes=True,
        sys_argv=["train", *overrides],
    )
    config.unlock()
    try:
        values(["train", *overrides])
    except flags.Error as error:
        told = str(error).removeprefix("flag --")
        raise ValueError(f"{told}; give a value of the key's type") from error
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{' '.join(overrides)}: {error}; see configs/base.py"
        ) from error


def check_keys(config: ConfigDict) -> None:
    """Checks that every key is one of configs/base.py; open groups take more.

    Raises:
      ValueError: an unknown key; the sentence names the nearest one.
    """
    _check_group(config, base.get_config(), "")


def _check_group(group: ConfigDict, known: ConfigDict, prefix: str) -> None:
    for key, value in group.items():
        path = prefix + key
        if key not in known:
            if prefix.removesuffix(".") in base.OPEN_GROUPS:
                continue  # a field of what `name` names, checked when that is built
            near = difflib.get_close_matches(key, list(known), n=1)
            hint = (
                f"did you mean {prefix + near[0]!r}?" if near else "see configs/base.py"
            )
            raise ValueError(f"unknown config key {path!r}; {hint}")
        if isinstance(known[key], ConfigDict):
            if not isinstance(value, ConfigDict):
                raise ValueError(
                    f"config.{path} is a group of keys, got {value!r}; set one of "
                    f"{', '.join(known[key])} in it"
                )
            _check_group(value, known[key], f"{path}.")


def _complete(config: ConfigDict, defaults: ConfigDict) -> None:
    """Adds the keys that base gained since the run; their defaults change nothing."""
    for key, value in defaults.items():
        if key not in config:
            config[key] = value
        elif isinstance(value, ConfigDict):
            _complete(config[key], value)


def override_run_config(config: ConfigDict, argv: list[str]) -> ConfigDict:
    """Applies `--config.key=value` to the stored config of a run.

    Only what may differ between machines can be changed: where the data lies, the
    mesh, W&B.

    Raises:
      ValueError: any other key, or an unknown one.
    """
    from research.training import experiment, settings

    if any(re.match(r"--?config=", argument) for argument in argv):
        raise ValueError(
            "a run keeps the config it was trained with; leave --config out, machine "
            "settings such as --config.data.path=FOLDER can be given"
        )
    _complete(config, base.get_config())
    stored = config.to_dict()
    _apply_overrides(config, list(argv))
    check_keys(config)
    experiment.check_data_fields(config)
    changed = settings.differences(stored, config.to_dict())
    if changed:
        raise ValueError(
            f"a finished run keeps its config, got {'; '.join(changed)}; only "
            f"{', '.join(settings.MACHINE_KEYS)} can be given here"
        )
    return config
