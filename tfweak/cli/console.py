"""What every command shares: own flags, help, versions, errors without tracebacks.

A binary defines its flags on a `FlagValues` of its own (`_FLAGS`), so that importing
two binaries into one process never clashes, and ends with

    def main(argv=None):
        return console.run(_FLAGS, __doc__, _main, argv, program="tfweak-...")
"""

from __future__ import annotations

import codecs
import contextlib
import importlib.metadata
import io
import logging
import os
import pathlib
import select
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from absl import flags

from .. import __version__, registry
from ..errors import InputError
from ..extractors import _graphs
from .flags import as_flags

SOME_FILES_UNUSABLE = 3
# what a shell says of a tool that was ended for writing on when nobody read any more
NOBODY_READS = 128 + signal.SIGPIPE
HELP = {"--help", "-h", "-help", "--helpfull"}
VERSION = {"--version", "-version"}
PLUGINS = "plugins"


def run(
    flag_values: flags.FlagValues,
    doc: str | None,
    body: Callable[[list[str]], int | None],
    argv: Sequence[str] | None = None,
    *,
    program: str,
    positional: str = "",
    more_help: Callable[[], str] | None = None,
) -> int:
    """Parses the command line, runs `body`, and turns errors into messages.

    Args:
      flag_values: the command's own flags; left parsed, reset at each call.
      doc: shown by `--help`; None where Python left docstrings out.
      body: gets the positional arguments; returns the exit status (None is 0).
      argv: the arguments without the program's name; None takes `sys.argv[1:]`.
      program: the command's name.
      positional: how positional arguments are named in the usage line; where it is
        empty, a positional argument is refused.
      more_help: what `--help` says below the flags, asked for when these are printed:
        it may take some seconds.

    Returns:
      The exit status: 0 done, 1 wrong input (`InputError`) or a file system that
      refuses, 2 wrong flags, 3 done but some files could not be used, 130 interrupted.

    Raises:
      SystemExit: with `NOBODY_READS`, see `while_read`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)

    def prepared() -> int:
        _print_anything()
        if PLUGINS not in flag_values:
            _define_plugins(flag_values)
        if VERSION & set(arguments):
            print(versions())
            return 0
        if HELP & set(arguments):
            print(_help(flag_values, doc, program, positional), flush=True)
            if more_help is not None:
                with contextlib.suppress(InputError):  # who lists them says it
                    registry.use_plugins(_plugins_of(arguments))
                print(f"\n{more_help()}")
            return 0
        if sys.flags.optimize > 1:
            print(
                f"{program}: error: TensorFlow cannot be loaded without docstrings, as"
                " with python -OO or PYTHONOPTIMIZE=2; leave that, or take -O",
                file=sys.stderr,
            )
            return 1
        return _run(flag_values, body, arguments, program, positional)

    def work() -> int:
        try:
            return prepared()
        except KeyboardInterrupt:
            print(
                f"\n{program}: interrupted; the same command goes on from here.",
                file=sys.stderr,
            )
            return 130

    return while_read(work)


def while_read(work: Callable[[], int]) -> int:
    """Runs what writes to standard output, until nobody reads that any more.

    Returns:
      What `work` does.

    Raises:
      SystemExit: with `NOBODY_READS`; a command that called this one ends, too.
    """
    try:
        status = work()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        closed = [out for out in (sys.stdout, sys.stderr) if _is_closed_pipe(out)]
        if not closed:
            raise  # a pipe to somebody else
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in closed:
            os.dup2(nowhere, stream.fileno())  # for what Python flushes at its end
        raise SystemExit(NOBODY_READS) from None


def _is_closed_pipe(stream: TextIO) -> bool:
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def versions() -> str:
    """A line each for tfweak and what it stands on, none of which is loaded."""
    lines = [f"tfweak {__version__}"]
    for name in ("tensorflow", "keras"):
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} is not installed")
    return "\n".join(lines)


def _run(
    flag_values: flags.FlagValues,
    body: Callable[[list[str]], int | None],
    arguments: list[str],
    program: str,
    positional: str,
) -> int:
    flag_values.unparse_flags()
    try:
        registry.use_plugins(_plugins_of(arguments))
        rest = list(flag_values([program, *arguments]))[1:]
        _graphs.trust(flag_values[_graphs.TRUSTED_FLAG].value or [])
    except (flags.Error, InputError) as error:
        print(f"{program}: {error}\nSee '{program} --help'.", file=sys.stderr)
        return 2
    if rest and not positional:
        print(
            f"{program}: unexpected argument {rest[0]!r}: flags are written"
            f" --name=value.\nSee '{program} --help'.",
            file=sys.stderr,
        )
        return 2
    show_log()
    try:
        with _interrupt_kept():
            return body(rest) or 0
    except BrokenPipeError:
        raise  # see `while_read`
    except (InputError, OSError) as error:
        message = as_flags(str(error), list(flag_values))
        print(f"{program}: error: {message}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _interrupt_kept() -> Iterator[None]:
    """Ctrl-C stays what it is where a library makes an error of its own of it."""
    default = signal.default_int_handler
    seen: list[int] = []

    def note(number: int, frame: types.FrameType | None) -> None:
        seen.append(number)
        default(number, frame)

    in_main = threading.current_thread() is threading.main_thread()
    is_ours = in_main and signal.getsignal(signal.SIGINT) is default
    if is_ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception as error:
        if seen:
            raise KeyboardInterrupt from error
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, default)


def show_log() -> None:
    """Has what the library logs printed as plain lines on standard output."""
    logger = logging.getLogger("tfweak")
    if not any(isinstance(handler, _Printer) for handler in logger.handlers):
        logger.addHandler(_Printer())
        logger.setLevel(logging.INFO)
        logger.propagate = False  # other libraries may set up the root's handlers


class _Printer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), flush=True)  # wherever sys.stdout leads just now


def _define_plugins(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_list(
        PLUGINS,
        [],
        "Python files or modules to import first: models, datasets, metrics and so on"
        " of your own, see tfweak.register",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        _graphs.TRUSTED_FLAG,
        [],
        "hub handles or folders of SavedModels that may reach files, the network and"
        " Python, as all else that you run: TensorFlow graphs are programs. Others that"
        " hold such operations are refused",
        flag_values=flag_values,
    )


def _plugins_of(arguments: Sequence[str]) -> list[str]:
    """Read before the other flags, whose values may be names of what is in them."""
    given = []
    for i, argument in enumerate(arguments):
        name, equals, value = argument.lstrip("-").partition("=")
        if name == PLUGINS and argument.startswith("-"):
            value = value if equals else "".join(arguments[i + 1 : i + 2])
            given += [path for path in value.split(",") if path]
    return given


def output_file(flag: str, value: str) -> pathlib.Path:
    """The path of a file to be written, checked before any work.

    Raises:
      InputError: when it is a folder, or its folder cannot be made or written.
    """
    path = pathlib.Path(value)
    if path.is_dir():
        raise InputError(f"--{flag}={value}: is a folder, a file name is needed")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--{flag}={value}: its folder cannot be made ({error})"
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--{flag}={value}: {path.parent} cannot be written")
    return path


def _print_anything() -> None:
    """Has names printed that are not text, or not in the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_KEPT)


def _kept(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of file names as they are, other characters as Python writes them."""
    if not isinstance(error, UnicodeEncodeError):  # a stream that is read, too
        return codecs.lookup_error("backslashreplace")(error)
    rest = error.object[error.start : error.end]
    out = bytearray()
    for character in rest:
        try:
            out += character.encode("ascii", "surrogateescape")
        except UnicodeEncodeError:
            out += character.encode("ascii", "backslashreplace")
    return bytes(out), error.end


_KEPT = "tfweak.kept"
codecs.register_error(_KEPT, _kept)


def _help(
    flag_values: flags.FlagValues, doc: str | None, program: str, positional: str
) -> str:
    lines = [
        f"usage: {program} [flags] {positional}".rstrip(),
        "",
        (doc or "").strip(),  # python -OO leaves it out
        "",
        "flags:",
    ]
    for name in flag_values:
        flag = flag_values[name]
        if flag.name != name:  # a short name of another flag
            continue
        default = "" if flag.default is None else f" (default: {flag.default_as_str})"
        lines.append(
            flags.text_wrap(f"--{name}: {flag.help}{default}", 88, "      ", "  ")
        )
    return "\n".join(lines)
