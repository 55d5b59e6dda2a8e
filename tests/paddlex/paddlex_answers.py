"""Run in an environment with paddlex 3.4.3 and paddlepaddle: what it says about the same files.

    python paddlex_answers.py JOB.json

JOB.json: {rec, det: exported models; pictures; index: a folder that we saved; out: a folder}.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK"] = "True"


def main(job):
    import numpy as np
    from paddlex import create_model
    from paddlex.inference.pipelines.components.faisser import FaissBuilder, FaissIndexer

    rec = create_model("PP-ShiTuV2_rec", model_dir=job["rec"], device="cpu")
    det = create_model("PP-ShiTuV2_det", model_dir=job["det"], device="cpu")
    pictures, out = job["pictures"], Path(job["out"])
    features = [result["feature"] for result in rec.predict(pictures)]
    boxes = [
        [[*map(float, box["coordinate"]), box["score"]] for box in result["boxes"]]
        for result in det.predict(pictures)
    ]
    indexer = FaissIndexer(job["index"])
    nearest = indexer(features, score_thres=0.5, hamming_radius=None, topk=1)
    names = [f"picture {place}" for place in range(len(pictures))]
    for kind in ("Flat", "HNSW32"):
        made = FaissBuilder.build(pictures, names, rec.predict, "IP", kind)
        made.save(out / kind)
    np.save(out / "features.npy", np.stack(features))
    answers = {"boxes": boxes, "labels": [one["label"][0] for one in nearest]}
    (out / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
