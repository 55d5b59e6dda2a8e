"""What shitu does in `bench paddlex`, each in a process of its own (see `benchmarks.worker`)."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from benchmarks.crowds import Crowds
from benchmarks.gauges import memory, timed


def models(job: dict[str, Any]) -> dict[str, Any]:
    """Export our networks for PaddleX; their folders, and the thresholds they come with."""
    from benchmarks.paddlex_models import export_models
    from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
    from shitu.models.registry import read_model

    return {
        "models": export_models(FEATURE_MODEL, DETECTOR_MODEL, Path(job["folder"])),
        "rec_threshold": read_model(FEATURE_MODEL).threshold,
        "det_threshold": read_model(DETECTOR_MODEL).threshold,
    }


def photos(job: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of each photo, of its stages, and seconds of all photos in one call."""
    from shitu import Workspace, load_image

    pictures = [Path(picture) for picture in job["pictures"]]
    stages: dict[str, list[float]] = {}
    settings = {"threads": job["threads"], **job["settings"]}
    with Workspace(job["index"], **settings) as shop:
        # Once for each gallery, local features of its references are computed and kept.
        for picture in pictures:
            shop.recognize(picture)
        times, objects, begun = [], 0, time.process_time()
        for picture in pictures:
            spent, found = timed(lambda one=picture: shop.recognize(one))
            times.append(spent)
            objects += len(found.objects)
        processor = (time.process_time() - begun) * 1000 / len(times)
        for picture in pictures:
            spent, image = timed(lambda one=picture: load_image(one))
            laps = {"decode": spent, **shop.recognizer.recognize(image).milliseconds}
            for stage, lap in laps.items():
                stages.setdefault(stage, []).append(lap)
        engine = shop.engine
    with Workspace(job["index"], **settings) as shop:
        list(shop.recognize_many(pictures[:8]))
        spent, found = timed(lambda: list(shop.recognize_many(pictures)))
        batch_engine = shop.engine
    return {
        "photo": times,
        "processor": processor,
        "stages": stages,
        "per_second": len(found) / spent * 1000,
        "objects": objects / len(pictures),
        "megabytes": memory("VmHWM"),
        "engines": [engine, batch_engine],
    }


def build(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a build, loading the networks included."""
    from shitu import Workspace

    with Workspace(job["index"], threads=job["threads"], **job["settings"]) as shop:
        start = time.perf_counter()
        summary = shop.build(job["gallery"])
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "pictures": summary.added}


def vectors(job: dict[str, Any]) -> dict[str, Any]:
    """Write what `gallery-fill` fills a gallery with, and queries, for others to read."""
    import numpy as np

    crowds = Crowds(job["size"])
    np.save(job["vectors"], np.concatenate(list(crowds.blocks())))
    np.save(job["queries"], crowds.queries(job["count"]))
    return {}


def edit(job: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of adding one picture and of removing it, each committed to disk.

    In one open workspace; or, `how: script`, in a new one for each, which loads the networks, too.
    """
    from shitu import Workspace

    times: dict[str, list[float]] = {"append": [], "remove": []}

    def change(shop: Workspace | None, what: str, picture: str, label: str) -> None:
        with contextlib.ExitStack() as stack:
            if shop is None:
                shop = stack.enter_context(Workspace(job["index"], threads=job["threads"]))
            if what == "append":
                shop.add([picture], label)
            else:
                shop.remove(label)

    with Workspace(job["index"], threads=job["threads"]) as kept:
        kept.recognize(job["pictures"][0])
        shop = None if job["how"] == "script" else kept
        for number, picture in enumerate(job["pictures"]):
            for what, spent in times.items():
                start = time.perf_counter()
                change(shop, what, picture, f"new {number}")
                spent.append((time.perf_counter() - start) * 1000)
    return times


def search(job: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of a query, what was found read from the database, too."""
    import numpy as np

    from shitu.catalog import Catalog

    queries = np.load(job["queries"])
    with Catalog.open(job["index"], read_only=True) as catalog:

        def look_up(query: Any) -> Any:
            catalog.refresh()  # a service looks for commits of others first
            ids = catalog.search(query[None], 5).reference_ids[0]
            return catalog.references(int(number) for number in ids)

        for query in queries[:10]:
            look_up(query)
        times = [timed(lambda one=query: look_up(one))[0] for query in queries]
    return {"memory": times, "served": times}


JOBS = {
    "models": models,
    "photos": photos,
    "build": build,
    "vectors": vectors,
    "edit": edit,
    "search": search,
}
