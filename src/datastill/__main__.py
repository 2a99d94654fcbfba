"""The command ``datastill``, also as ``python -m datastill``: what must come before all else."""

# Nothing is imported here that Python has not loaded already, until the folder in which the command
# is typed is off the module path: a file in it that is called as a library is must not run.
import sys


def main() -> None:
    """Run the command line.

    The current folder is no place to find modules in. A signal that comes before the command has
    begun ends the process at once, with one line: the libraries that are being imported then may
    swallow an exception, or turn it into another.
    """
    try:
        _leave_current_folder()
        from datastill.base.signals import leave_at_signals

        leave_at_signals()
        from datastill.base.streams import open_streams

        open_streams()
        from datastill import cli
    except KeyboardInterrupt:  # in the very first moment
        sys.stderr.write("stopped by SIGINT\n")
        sys.exit(130)
    cli.main()


def _leave_current_folder() -> None:
    # Python puts it first for -m and -c, unless it is told -P, -I or PYTHONSAFEPATH. What stands
    # behind it, from PYTHONPATH say, is the person's own word.
    import os

    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib is not loaded yet
    except OSError:  # some of the libraries end the process then, in words of theirs
        sys.stderr.write("datastill: the current folder is gone; go to another one\n")
        sys.exit(2)
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", here):
        del sys.path[0]


if __name__ == "__main__":
    main()
