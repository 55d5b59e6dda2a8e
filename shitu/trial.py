"""One engine at work on the probes, for `shitu.choosing`: a line of JSON in, a line out.

    python -m shitu.trial < {"engine": ..., "threads": ..., "feature": ..., "detector": ...}

The first line is answered with what it makes of the probes, every further one with how long a
photo took among as many as there are threads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shitu.choosing.parity import Answers
from shitu.runtime.engines import ENGINES

if TYPE_CHECKING:
    from shitu.images import Image
    from shitu.networks import Networks

_OBJECTS = 3  # that a photo of the trial has


def main() -> int:
    """Answer until nothing more is asked."""
    # What libraries print shall not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    trial = None
    for line in sys.stdin:
        try:
            if trial is None:
                trial = _Trial(json.loads(line))
                said = trial.first()
            else:
                said = {"photo": trial.lap()}
        except Exception as error:  # whatever an engine raises is its problem
            said = {"problem": " ".join(str(error).split())[:300] or type(error).__name__}
        answers.write(json.dumps(said) + "\n")
        answers.flush()
    return 0


class _Trial:
    def __init__(self, job: dict[str, Any]) -> None:
        from shitu.images import load_image

        self._job = job
        folder = Path(__file__).parent / "choosing" / "probes"
        self._pictures = [load_image(path) for path in sorted(folder.glob("*.jpg"))]
        self._networks = self._open()

    def first(self) -> dict[str, Any]:
        """How long it takes from the import to the first answer, and all answers."""
        start = time.perf_counter()
        import_module(ENGINES[self._job["engine"]].module)
        imported = time.perf_counter() - start
        # Twice: what the first has compiled is kept, and the next process will find it.
        for _ in range(2):
            self._networks = self._open()
            start = time.perf_counter()
            self._look()
            opened = time.perf_counter() - start
        said = {"start": imported + opened, "answers": self._answers().to_json()}
        self.lap()  # loads what long jobs use
        return said

    def lap(self) -> float:
        """Seconds for a photo where each thread has one, as in a build, if the engine can do so."""
        threads: int = self._job["threads"]
        self._networks.use_streams(threads)
        start = time.perf_counter()
        list(self._networks.pool.map(lambda _: self._look(), range(threads)))
        return (time.perf_counter() - start) / threads

    def _look(self) -> None:
        self._networks.cropper.candidates(self._pictures[0])
        self._networks.embedder.embed(self._crops(self._pictures[0]))

    def _open(self) -> Networks:
        from shitu.config import load_config
        from shitu.lineup import Lineup
        from shitu.networks import Networks

        settings = {"engine": self._job["engine"], "threads": self._job["threads"]}
        lineup = Lineup(self._job["feature"], self._job["detector"])
        return Networks(load_config(overrides=settings), lineup)

    def _answers(self) -> Answers:
        crops = [crop for picture in self._pictures for crop in self._crops(picture)]
        return Answers(
            self._networks.embedder.embed(crops),
            tuple(self._boxes(picture) for picture in self._pictures),
            self._networks.policy.threshold,
        )

    def _crops(self, picture: Image) -> list[Image]:
        """Parts that are the same for every engine, wherever it sees boxes."""
        height, width = picture.shape[:2]
        left, below = picture[:, : width // 2], picture[height // 3 :]
        return [picture, left, below][:_OBJECTS]

    def _boxes(self, picture: Image) -> tuple[tuple[float, ...], ...]:
        (main,) = self._networks.main_body_cropper.main_bodies([picture])
        # Cut out whatever its score is, which is therefore not compared.
        rows = [] if main is None else [(*main, 1.0)]
        found = self._networks.cropper.candidates(picture).kept
        return (*rows, *((*c.box, c.score) for c in found if c.box is not None and c.score))


if __name__ == "__main__":
    sys.exit(main())
