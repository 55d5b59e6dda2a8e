"""Processes that write to a gallery and can be killed, without waiting for their imports.

`Forker` starts this file as a program which loads everything once and then forks one process for
each job. A job is a dict; see `_run`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOBODY = 65534

Job = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: 0 done, 1 a sentence, 130 interrupted, -9 killed, 2 anything else."""

    code: int
    text: str
    seconds: float


class Forker:
    """Runs jobs in processes of their own."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]  # the package of these tests, whatever is installed
        self._program = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": f"{root / 'tests'}{os.pathsep}{root}",
                "OMP_NUM_THREADS": "1",
            },
        )

    def run(self, **job: Any) -> Outcome:
        return self.run_all(job)[0]

    def run_all(self, *jobs: Job) -> list[Outcome]:
        """Run jobs at the same time."""
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.write(json.dumps(jobs) + "\n")
        self._program.stdin.flush()
        return [Outcome(**outcome) for outcome in json.loads(self._program.stdout.readline())]

    def close(self) -> None:
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.close()
        self._program.stdout.close()
        self._program.wait()


def _run(job: Job) -> str:
    """Do what a job says.

    Keys: `do` (one of `_DEEDS`), `index`, `photos`; all others are for tests only: `pause` seconds
    a picture, `start` when this file exists, `die` at one of `_POINTS`, `interrupt` (Ctrl-C) when
    asked to describe for the so-and-so-many-th time, `largest` size of a file, `nobody` to be
    without rights, `step` before which to die and `steps`, a file for their number (see `Steps`).
    `kind` is that of the index. With `bare` no model is named.
    """
    from fakes import FakeDescriber
    from steps import Steps

    from shitu.catalog import Catalog
    from shitu.index.kinds import IndexChoice

    _until(lambda: "start" not in job or Path(job["start"]).exists())
    if "die" in job:
        _POINTS[job["die"]]()
    if "largest" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"], job["largest"]))
    if job.get("nobody") and not os.getuid():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    describer = FakeDescriber(pause=job.get("pause", 0.0))
    if "interrupt" in job:
        _interrupt(describer, job["interrupt"])
    options = {"create": True, **job.get("options", {})}
    if "kind" in job:
        options["choice"] = IndexChoice(job["kind"], 0.9)
    steps = Steps(job.get("step", 0))
    if "step" in job or "steps" in job:
        steps.watch()
    with Catalog.open(job["index"], None if job.get("bare") else describer, **options) as catalog:
        done = str(_DEEDS[job["do"]](catalog, Path(job["photos"]), job))
    if "steps" in job:
        Path(job["steps"]).write_text(str(steps.taken))
    return done


def _build(catalog: Any, photos: Path, job: Job) -> object:
    from shitu.catalog import entries_from_folder

    entries = entries_from_folder(photos)
    return catalog.build(
        entries, root=photos, prune=job.get("prune", False), batch_size=job.get("batch", 3)
    ).added


def _add_each(catalog: Any, _: Path, job: Job) -> object:
    """Add pictures one by one, as many commands would."""
    return sum(catalog.add([path], job["label"]).added for path in job["pictures"])


def _migrate(catalog: Any, _: Path, job: Job) -> object:
    from fakes import FakeCropper, FakeDescriber

    new: Any = FakeDescriber if job["to"] == "colours" else FakeCropper
    describer = new(pause=job.get("pause", 0.0))
    return catalog.migrate(describer, batch_size=3, max_loss=None).outcome


def _wait_for(catalog: Any, _: Path, job: Job) -> object:
    """Look until an item has a label; returns the labels of all items met."""
    met: list[str] = []

    def look() -> bool:
        catalog.refresh()
        met.extend(item.label for item in catalog.items() if item.label not in met)
        Path(job["ready"]).touch()
        return job["label"] in met

    _until(look)
    return met


def _keep_looking(catalog: Any, _: Path, job: Job) -> object:
    """Look again and again until a file is there; returns whether often."""
    looks = 0
    Path(job["ready"]).touch()
    while not Path(job["until"]).exists():
        catalog.refresh()
        catalog.items()
        looks += 1
    return looks > 10


def _come_and_go(catalog: Any, __: Path, job: Job) -> object:
    """Open, change and close the gallery so many times, each time as the only writer."""
    from fakes import FakeDescriber

    from shitu.catalog import Catalog

    catalog.close()  # or it would hold the log
    for turn in range(job["turns"]):
        with Catalog.open(job["index"], FakeDescriber()) as catalog:
            catalog.set_attributes(job["label"], {"turn": turn})
    Path(job["until"]).touch()
    return "gone"


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done() and time.monotonic() < end:
        time.sleep(0.002)


def _interrupt(describer: Any, turn: int) -> None:
    describe, turns = describer.describe, iter(range(turn - 1, -1, -1))

    def interrupted(*arguments: Any) -> Any:
        if next(turns) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return describe(*arguments)

    describer.describe = interrupted


_DEEDS: dict[str, Callable[[Any, Path, Job], object]] = {
    "build": _build,
    "add": lambda catalog, _, job: catalog.add(job["pictures"], job["label"]).added,
    "add each": _add_each,
    "remove": lambda catalog, _, job: catalog.remove(label=job["label"]).removed,
    "relabel": lambda catalog, _, job: catalog.relabel(job["label"], job["to"]).label,
    "undo": lambda catalog, _, job: catalog.undo(job.get("generation")).undone,
    "migrate": _migrate,
    "export": lambda catalog, _, job: catalog.export(Path(job["file"]), pictures=True).references,
    "import": lambda catalog, _, job: catalog.import_from(Path(job["file"])).added,
    "sync": lambda catalog, photos, _: catalog.sync(photos).changes,
    "merge": lambda catalog, _, job: catalog.merge(job["labels"], job["into"]).generation,
    "set-attr": lambda catalog, _, job: catalog.set_attributes(job["label"], job["attributes"]),
    "go back": lambda catalog, _, job: catalog.go_back(job["generation"]).undone,
    "compact": lambda catalog, _, job: catalog.compact(job["before"]),
    "confirm": lambda catalog, _, job: catalog.confirm(job["recognition"], job["label"]),
    "reject": lambda catalog, _, job: catalog.reject(job["recognition"], job["label"]),
    "golden": lambda catalog, _, job: catalog.add_golden(Path(job["picture"]), job["label"]),
    "wait for": _wait_for,
    "keep looking": _keep_looking,
    "come and go": _come_and_go,
    "look": lambda catalog, _, job: [(i.label, i.references) for i in catalog.items()],
}


def _die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(where: str, *, after: bool = False) -> Callable[[], None]:
    """Die when a function `module:name` or `module:class.name` is called, or when it is done."""

    def prepare() -> None:
        import importlib

        module, _, path = where.partition(":")
        holder: Any = importlib.import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            holder = getattr(holder, part)
        original = getattr(holder, name)

        def done(*arguments: Any, **options: Any) -> Any:
            original(*arguments, **options)
            _die()

        setattr(holder, name, done if after else _die)

    return prepare


def _between_the_files() -> None:
    """Die when the vectors are in place and the manifest is not."""
    from shitu.index import manifest

    whole = manifest._replacing

    @contextlib.contextmanager
    def replacing(target: Path) -> Any:
        if target.name == manifest.MANIFEST:
            _die()
        with whole(target) as file:
            yield file

    manifest._replacing = replacing


_POINTS: dict[str, Callable[[], None]] = {
    "with the tables made": _at("shitu.gallery.migrations:make", after=True),
    "before the commit": _at("shitu.gallery.transaction:Transaction.finish", after=True),
    "between commit and index": _at("shitu.catalog.catalog:Catalog.refresh"),
    "with half the vectors written": _at("shitu.index.manifest:_Checksum.write", after=True),
    "between vectors and manifest": _between_the_files,
    "before saving the index": _at("shitu.catalog.cache:IndexCache.save"),
    "with a picture half copied": _at("shitu.catalog.files:_link"),
    "with a picture copied": _at("shitu.catalog.addition:copy_in", after=True),
    "with references embedded": _at("shitu.catalog.migration:compare_spaces"),
    "with half the crops swapped": _at("shitu.gallery.crops:CropShelf._apply", after=True),
    "with a switch not committed": _at("shitu.gallery.spaces:SpaceWriter.switch", after=True),
    "with a switch committed": _at("shitu.catalog.catalog:Catalog.use"),
    "with a picture of an import copied": _at("shitu.catalog.importing:copy_in", after=True),
    "with a rejection imported": _at(
        "shitu.gallery.known_insertion:KnownInsertion.row", after=True
    ),
    "with what is known imported": _at(
        "shitu.gallery.known_insertion:KnownInsertion.finish", after=True
    ),
    "with an export written": _at("shitu.gallery.portable:_settle"),
    "with a move made for good": _at("shitu.catalog.moves:Moves.forget"),
    "with pictures put aside": _at("shitu.gallery.transaction:Transaction.remove"),
}


def _child(job: Job, pipe: int) -> None:
    """Run a job, write what came of it, and end."""
    from shitu.errors import ShituError

    code, text = 0, ""
    try:
        # A program started in the background may have been told to ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        text = _run(job)
    except ShituError as error:
        code, text = 1, f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        code, text = 2, repr(error)
    os.write(pipe, text.encode("utf-8", "backslashreplace"))
    os._exit(code)


def _wait(pid: int, pipe: int, job: Job, start: float) -> Outcome:
    """Wait for a job to end, and send its signal when it is due."""
    due = start + job.get("after", float("inf"))
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        now = time.monotonic()
        if ended:
            text = os.read(pipe, 1 << 20).decode()
            return Outcome(os.waitstatus_to_exitcode(status), text, now - start)
        if now >= due:
            os.kill(pid, job.get("signal", signal.SIGKILL))
            due = float("inf")
        time.sleep(min(0.002, max(0.0, due - now)))


def _all(jobs: list[Job]) -> list[Outcome]:
    running = []
    for job in jobs:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(job, writer)
        os.close(writer)
        running.append((pid, reader, job, time.monotonic()))
    outcomes = [_wait(*one) for one in running]
    for _, reader, _, _ in running:
        os.close(reader)
    return outcomes


def _warm_up() -> None:
    """Load and compile whatever a job needs."""
    from fakes import paint_file

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        paint_file(place / "photos" / "tea" / "1.png", 1)
        extra = paint_file(place / "2.png", 2)
        where = {"index": f"{folder}/index", "photos": f"{folder}/photos"}
        _run({"do": "build", **where})
        _run({"do": "add", "pictures": [str(extra)], "label": "tea", **where})
        _run({"do": "relabel", "label": "tea", "to": "coffee", **where})
        _run({"do": "migrate", "to": "corners", "bare": True, **where})
        _run({"do": "migrate", "to": "colours", "bare": True, **where})
        _run({"do": "remove", "label": "coffee", **where})


def main() -> None:
    """Answer lines of jobs by lines of outcomes."""
    _warm_up()
    for line in sys.stdin:
        print(json.dumps([vars(outcome) for outcome in _all(json.loads(line))]), flush=True)


if __name__ == "__main__":
    main()
