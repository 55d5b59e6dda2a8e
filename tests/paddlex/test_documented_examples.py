"""Scripts of PaddleX' own documentation, unchanged but for the import, on our sample pictures.

From docs/pipeline_usage/tutorials/cv_pipelines/general_image_recognition and
docs/module_usage/tutorials/cv_modules/{image_feature,mainbody_detection} (Apache-2.0).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

SAMPLE = Path(__file__).parents[2] / "gallery"

RECOGNISE = """
from paddlex import create_pipeline

pipeline = create_pipeline(pipeline="PP-ShiTuV2")

index_data = pipeline.build_index(gallery_imgs="drink_dataset_v2.0/", gallery_label="drink_dataset_v2.0/gallery.txt")
index_data.save("drink_index")

output = pipeline.predict("./drink_dataset_v2.0/test_images/001.jpeg", index=index_data)
for res in output:
    res.print()
    res.save_to_img("./output/")
    res.save_to_json("./output/")
"""  # noqa: E501

FROM_SETTINGS = """
from paddlex import create_pipeline
pipeline = create_pipeline(pipeline="./my_path/PP-ShiTuV2.yaml")

output = pipeline.predict("./drink_dataset_v2.0/test_images/001.jpeg", index="drink_index")
for res in output:
    res.print()
    res.save_to_json("./output/")
    res.save_to_img("./output/")
"""

CHANGE = """
from paddlex import create_pipeline

pipeline = create_pipeline("PP-ShiTuV2")
index_data = pipeline.build_index(gallery_imgs="drink_dataset_v2.0/", gallery_label="drink_dataset_v2.0/gallery.txt", index_type="IVF", metric_type="IP")
index_data = pipeline.append_index(gallery_imgs="drink_dataset_v2.0/", gallery_label="drink_dataset_v2.0/gallery.txt", index=index_data)
index_data = pipeline.remove_index(remove_ids="drink_dataset_v2.0/remove_ids.txt", index=index_data)
index_data.save("drink_index")
"""  # noqa: E501

FEATURE = """
from paddlex import create_model
model = create_model("PP-ShiTuV2_rec")
output = model.predict("general_image_recognition_001.jpg", batch_size=1)
for res in output:
    res.print(json_format=False)
    res.save_to_json("./output/res.json")
"""

DETECT = """
from paddlex import create_model

model_name = "PP-ShiTuV2_det"

model = create_model(model_name)
output = model.predict("general_object_detection_002.png", batch_size=1)

for res in output:
    res.print(json_format=False)
    res.save_to_img("./output/")
    res.save_to_json("./output/res.json")
"""

pytestmark = pytest.mark.filterwarnings("ignore:PP-ShiTuV2_.* is not on this machine")


def run(script: str) -> None:
    assert "from paddlex import" in script
    exec(script.replace("from paddlex import", "from shitu import"), {})  # noqa: S102


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the tutorials leave it after their downloads."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "drink_dataset_v2.0"
    (data / "gallery").mkdir(parents=True)
    (data / "test_images").mkdir()
    lines = []
    for number, folder in enumerate(sorted((SAMPLE / "products").glob("[!.]*"))[:4]):
        picture = sorted(folder.iterdir())[0]
        shutil.copy(picture, data / "gallery" / f"{number}{picture.suffix}")
        lines.append(f"gallery/{number}{picture.suffix} {folder.name}")
        if number == 0:
            shutil.copy(sorted(folder.iterdir())[1], data / "test_images" / "001.jpeg")
    (data / "gallery.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (data / "remove_ids.txt").write_text("0\n1\n")
    shutil.copy(SAMPLE / "scenes" / "scene01.jpg", "general_image_recognition_001.jpg")
    shutil.copy(SAMPLE / "scenes" / "scene01.jpg", "general_object_detection_002.png")
    return tmp_path


def test_recognition(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(RECOGNISE)
    printed = capsys.readouterr().out
    assert printed.startswith("{'res': {'input_path': './drink_dataset_v2.0/test_images/001.jpeg'")
    assert {path.name for path in (here / "output").iterdir()} == {"001_res.jpeg", "001_res.json"}
    label = (here / "drink_dataset_v2.0/gallery.txt").read_text("utf-8").splitlines()[0]
    found = json.loads((here / "output/001_res.json").read_text("utf-8"))
    assert label.partition(" ")[2] in [box["labels"][0] for box in found["boxes"]]
    # The same with settings of one's own, and the index that was saved.
    settings = {
        "pipeline_name": "PP-ShiTuV2",
        "index": "None",
        "det_threshold": 0.5,
        "rec_threshold": 0.34,
        "rec_topk": 5,
        "SubModules": {
            "Detection": {
                "module_name": "text_detection",
                "model_name": "PP-ShiTuV2_det",
                "model_dir": None,
                "batch_size": 1,
            },
            "Recognition": {
                "module_name": "text_recognition",
                "model_name": "PP-ShiTuV2_rec",
                "model_dir": None,
                "batch_size": 1,
            },
        },
    }
    (here / "my_path").mkdir()
    (here / "my_path" / "PP-ShiTuV2.yaml").write_text(yaml.safe_dump(settings))
    run(FROM_SETTINGS)
    again = json.loads((here / "output/001_res.json").read_text("utf-8"))
    assert [box["labels"] for box in again["boxes"]] == [box["labels"] for box in found["boxes"]]


def test_changes(here: Path) -> None:
    run(CHANGE)
    info = yaml.safe_load((here / "drink_index/id_map.yaml").read_text("utf-8"))
    # Adding the same list again added nothing, and two of four were removed.
    assert sorted(info["id_map"]) == [2, 3]


def test_a_feature_extractor(here: Path) -> None:
    run(FEATURE)
    found = json.loads((here / "output/res.json").read_text("utf-8"))
    assert set(found) == {"input_path", "page_index", "feature"}
    assert len(found["feature"]) == 512
    assert sum(value * value for value in found["feature"]) == pytest.approx(1, abs=1e-4)


def test_a_detector(here: Path) -> None:
    run(DETECT)
    found = json.loads((here / "output/res.json").read_text("utf-8"))
    assert set(found) == {"input_path", "page_index", "boxes"}
    assert set(found["boxes"][0]) == {"cls_id", "label", "score", "coordinate"}
    assert found["boxes"][0]["label"] == "foreground"
    assert (here / "output" / "general_object_detection_002_res.png").exists()
