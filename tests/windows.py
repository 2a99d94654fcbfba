"""Run as a program: what a person does with a small set, where there is nothing that Windows lacks.

Modules and functions that are Unix's own are gone for our code; libraries have their own ways. Text
that is read or written without naming an encoding is an error: that of Windows is not UTF-8.
"""

import builtins
import importlib
import os
import signal
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

GONE = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog", "readline")
FUNCTIONS = (
    *("fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgid"),
    *("killpg", "sched_getaffinity", "sched_setaffinity", "uname", "getloadavg", "nice", "chown"),
    *("mkfifo", "sysconf", "statvfs", "wait", "WNOHANG", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC"),
    *("posix_fallocate", "posix_fadvise", "memfd_create", "openpty", "ttyname", "getsid"),
    "fchmod",
)
SIGNALS = (
    *("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGPIPE", "SIGCHLD"),
    *("pthread_sigmask", "pthread_kill", "setitimer", "alarm"),
)


def without(module: ModuleType, names: tuple[str, ...]) -> ModuleType:
    """Return a module that has all but these names."""
    bare = ModuleType(module.__name__)
    vars(bare).update({name: held for name, held in vars(module).items() if name not in names})
    return bare


def hide() -> None:
    """Take away from our own code what Windows lacks."""
    inner = builtins.__import__
    bare = {"os": without(os, FUNCTIONS), "signal": without(signal, SIGNALS)}

    def imported(name: str, globals: Any = None, *rest: Any, **more: Any) -> Any:
        if str((globals or {}).get("__name__")).partition(".")[0] == "datastill":
            if name.partition(".")[0] in GONE:
                raise ImportError(f"Windows has no {name}")
            if name in bare:
                return bare[name]
        return inner(name, globals, *rest, **more)

    builtins.__import__ = imported
    assert sys.flags.warn_default_encoding
    warnings.filterwarnings("ignore", category=EncodingWarning)
    warnings.filterwarnings("error", category=EncodingWarning, module="datastill")


def use(folder: Path) -> None:
    """Load, save, show, assess, distil and validate."""
    ds = importlib.import_module("datastill")
    runs = importlib.import_module("datastill.runs")
    cli = importlib.import_module("datastill.cli")
    data = runs.DataSpec("digits")
    runs.train(runs.TrainSpec(data=data, models=("MLP",), num=1, epochs=1), folder / "pool")
    spec = runs.DistillSpec(data=data, model="MLP", ipc=1, updates=2, batch=4)
    made = runs.distill(spec, folder / "DM", keeping=runs.Keeping(checkpoint_minutes=0)).set
    with importlib.import_module("datastill.store").locked(folder / "DM"):
        ds.save(made, folder / "mine.safetensors")
    assert not list(folder.rglob(".lock"))
    assert ds.load(folder / "mine.safetensors").images.equal(made.images)
    pool = runs.PoolSpec(architectures=("MLP",), path=str(folder / "pool"))
    file = str(folder / "mine.safetensors")
    found = runs.assess(runs.AssessSpec(set=file, pool=pool, draws=1, assessments=("coverage",)))
    assert found.scores
    judged = runs.ValidateSpec(set=file, data=data, models=("MLP",), trials=1, epochs=1)
    assert runs.validate(judged, folder).results
    assert len(ds.load(file).facts["validated"]) == 1
    cli.main(["show", file, "--png", str(folder / "seen.png")])
    cli.main(["recipes"])
    line = "distill --dataset digits --model MLP --ipc 1 --iterations 1 --engine plain --save-path"
    cli.main([*line.split(), str(folder / "typed")])
    assert runs.estimate(spec, trials=1).seconds > 0


if __name__ == "__main__":
    hide()
    use(Path(sys.argv[1]))
    print("done")
