"""What PaddleX does in `bench paddlex`; runs in an environment of its own, which has no shitu.

    python paddlex_theirs.py answer|photos|build|fill|edit|search JOB.json > times.json

As its documentation has it: `create_pipeline`, `build_index`, `append_index`, `save`, `predict`.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.gauges import memory, timed

# Without, it first looks for four servers in the network, which is not what is measured.
os.environ["PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK"] = "True"
Job = dict[str, Any]


def answer(job: Job) -> Job:
    """Names in one photo."""
    found = list(_pipeline(job).predict(job["photo"]))
    return {"labels": [box["labels"][0] for box in found[0]["boxes"]]}


def photos(job: Job) -> Job:
    """Milliseconds of each photo, of its stages, and seconds of all photos in one call."""
    pipeline = _pipeline(job)
    for picture in job["pictures"][:3]:
        list(pipeline.predict(picture))
    times, objects, begun = [], 0, time.process_time()
    for picture in job["pictures"]:
        spent, found = timed(lambda one=picture: list(pipeline.predict(one)))
        times.append(spent)
        objects += len(found[0]["boxes"])
    processor = (time.process_time() - begun) * 1000 / len(times)
    spent, found = timed(lambda: list(pipeline.predict(job["pictures"])))
    assert len(found) == len(job["pictures"])
    stages = _watched(pipeline)
    for picture in job["pictures"]:
        list(pipeline.predict(picture))
    return {
        "photo": times,
        "processor": processor,
        "stages": stages,
        "per_second": len(found) / spent * 1000,
        "objects": objects / len(found),
        "megabytes": memory("VmHWM"),
    }


def _watched(pipeline: Any) -> dict[str, list[float]]:
    """Have the pipeline's parts note their milliseconds, summed up for each photo."""
    parts = {
        "decode": ["img_reader"],
        "detect": ["det_model"],
        "crop + embed": ["crop_by_boxes", "rec_model"],
        "search": ["indexer"],
    }
    stages: dict[str, list[float]] = {stage: [] for stage in parts}
    inner = getattr(pipeline, "_pipeline", pipeline)
    for stage, names in parts.items():
        for name in names:
            part = getattr(inner, name)
            setattr(inner, name, _noting(part, stages[stage], new=name == names[0]))
    return stages


def _noting(part: Callable[..., Any], times: list[float], *, new: bool) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        def to_the_end() -> Any:
            found = part(*arguments, **options)
            return list(found) if inspect.isgenerator(found) else found

        spent, found = timed(to_the_end)
        if new:
            times.append(spent)
        else:
            times[-1] += spent
        return found

    return call


def build(job: Job) -> Job:
    """Seconds until the index is saved, loading the networks included."""
    start = time.perf_counter()
    made = _pipeline(job).build_index(
        gallery_imgs=job["gallery"],
        gallery_label=job["labels"],
        metric_type="IP",
        index_type="Flat",
    )
    made.save(job["index"])
    return {"seconds": time.perf_counter() - start, "pictures": len(made.id_map)}


def fill(job: Job) -> Job:
    """Indexes of given vectors, each as the scripts keep it and as the service does."""
    import faiss
    import numpy as np
    from paddlex.inference.pipelines.components.faisser import IndexData

    vectors = np.load(job["vectors"])
    names = {n: f"item {n // 10}" for n in range(len(vectors))}
    for kind in job["kinds"]:
        inner = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        index = faiss.IndexIDMap2(inner)
        index.add_with_ids(vectors, np.arange(len(vectors), dtype=np.int64))
        info = {"id_map": names, "metric_type": "IP", "index_type": kind}
        made = IndexData(index, info)
        folder = Path(job["folder"]) / kind
        if kind == "Flat" and job["save"]:
            made.save(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "service").write_bytes(made.to_bytes())
    return {}


def edit(job: Job) -> Job:
    """Milliseconds of adding and removing one picture, as scripts and as the service do it."""
    from paddlex.inference.pipelines.components.faisser import IndexData

    pipeline, how = _pipeline(job), job["how"]
    folder = Path(job["folder"]) / "Flat"
    file = folder / "service"
    times: dict[str, list[float]] = {"append": [], "remove": []}
    made: Any = str(folder)
    if how == "kept":
        index, names, metric, kind = IndexData.load(str(folder))
        made = IndexData(index, {"id_map": names, "metric_type": metric, "index_type": kind})
    added = job["size"]  # the number that the next one gets
    for picture in job["pictures"]:
        for what in times:
            start = time.perf_counter()
            given = IndexData.from_bytes(file.read_bytes()) if how == "service" else made
            if what == "append":
                changed = pipeline.append_index([picture], ["new"], given)
            else:
                changed = pipeline.remove_index([added], given)
            if how == "service":
                file.write_bytes(changed.to_bytes())
            else:
                changed.save(folder)
            times[what].append((time.perf_counter() - start) * 1000)
            assert len(changed.id_map) == job["size"] + (what == "append")
            made = changed if how == "kept" else made
    return times


def search(job: Job) -> Job:
    """Milliseconds of a query: with the index in memory, and as the service does it."""
    import numpy as np
    from paddlex.inference.pipelines.components.faisser import FaissIndexer, IndexData

    file = Path(job["folder"]) / job["kind"] / "service"
    queries = np.load(job["queries"])

    def look_up(indexer: Any, query: Any) -> Any:
        return indexer([query], score_thres=0.3, hamming_radius=None, topk=5)

    def serve(query: Any) -> Any:
        return look_up(FaissIndexer(IndexData.from_bytes(file.read_bytes())), query)

    kept = FaissIndexer(IndexData.from_bytes(file.read_bytes()))
    for query in queries[:10]:
        look_up(kept, query)
    kept_times = [timed(lambda one=query: look_up(kept, one))[0] for query in queries]
    served = [timed(lambda one=query: serve(one))[0] for query in queries[: job["served"]]]
    return {"memory": kept_times, "served": served}


def _pipeline(job: Job) -> Any:
    from paddlex import create_pipeline
    from paddlex.inference import PaddlePredictorOption

    models = {"Detection": "PP-ShiTuV2_det", "Recognition": "PP-ShiTuV2_rec"}
    config = {
        "pipeline_name": "PP-ShiTuV2",
        "index": job.get("index") if job.get("use_index") else None,
        "det_threshold": job["det_threshold"],
        "rec_threshold": job["rec_threshold"],
        "rec_topk": 5,
        "SubModules": {
            part: {
                "module_name": part.lower(),
                "model_name": name,
                "model_dir": job["models"][name],
                "batch_size": job["batch"][part],
            }
            for part, name in models.items()
        },
    }
    option = PaddlePredictorOption(run_mode=job["run_mode"], cpu_threads=job["threads"])
    return create_pipeline(config=config, device="cpu", pp_option=option)


def main() -> None:
    jobs = (answer, photos, build, fill, edit, search)
    do = next(job for job in jobs if job.__name__ == sys.argv[1])
    job = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    with contextlib.redirect_stdout(sys.stderr):
        found = do(job)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
