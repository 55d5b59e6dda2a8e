"""A gallery made with a CLIP is searched by pictures and by words, from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_clip
from click.testing import CliRunner, Result
from fakes import paint_file

from shitu import Workspace
from shitu.cli import main
from shitu.errors import ModelError, WeightsCorrupt
from shitu.models.registry import read_folder
from shitu.runtime.onnx_runtime import OnnxRuntimeSession
from shitu.text_embedder import TextEmbedder, Tokenizer

pytest.importorskip("tokenizers")

Run = Callable[..., Result]
LABELS = ("red can", "green tea", "blue bottle")


@pytest.fixture
def run() -> Run:
    def invoke(*arguments: object) -> Result:
        texts = [str(argument) for argument in arguments]
        return CliRunner().invoke(main, texts, catch_exceptions=False)

    return invoke


@pytest.fixture
def index(tmp_path: Path, run: Run) -> Path:
    """A small gallery made with the tiny CLIP; its detector is left out."""
    for number, label in enumerate(LABELS):
        for picture in range(2):
            path = tmp_path / "photos" / label / f"{picture}.png"
            paint_file(path, 10 * number + picture)
    models = ("--model", tiny_clip.FOLDER, "--detector", "none")
    done = run("build-index", "--gallery", tmp_path / "photos", "--index", tmp_path / "i", *models)
    assert done.exit_code == 0, done.output
    return tmp_path / "i"


def test_pictures_are_recognised_with_it(index: Path, run: Run) -> None:
    query = index.parent / "photos" / LABELS[1] / "0.png"
    found = json.loads(run("recognize", query, "--index", index, "--json").stdout)
    assert found["objects"][0]["matches"][0]["label"] == LABELS[1]
    assert found["objects"][0]["score"] == pytest.approx(1.0, abs=1e-4)


def test_words_find_the_items_whose_pictures_are_nearest(index: Path, run: Run) -> None:
    text = "red can of cola"
    (vector,) = TextEmbedder(read_folder(tiny_clip.FOLDER)).embed([text])
    with Workspace(index) as shop:
        pictures = [str(r.path) for r in shop.catalog.all_references()]
        spec = read_folder(tiny_clip.FOLDER)
        session = OnnxRuntimeSession(spec.files["onnx"].path)
        from shitu.images import load_image

        rows = session.run(spec.preprocessing([load_image(Path(p)) for p in pictures]))[0]
        cosines = rows @ vector / np.linalg.norm(rows, axis=1)
        found = shop.find_by_words(text)
    best = pictures[int(cosines.argmax())]
    assert found.matches[0].path == best
    assert found.matches[0].score == pytest.approx(float(cosines.max()), abs=1e-4)
    assert {match.label for match in found.matches} == set(LABELS)
    printed = json.loads(run("recognize", "--text", text, "--index", index, "--json").stdout)
    assert printed["matches"][0]["label"] == found.matches[0].label
    table = run("recognize", "--text", text, "--index", index)
    assert table.stdout.splitlines()[0].split() == ["label", "score", "nearest", "reference"]
    assert table.stdout.splitlines()[1].startswith(found.matches[0].label)


def test_words_find_what_another_process_added(index: Path) -> None:
    with Workspace(index) as running, Workspace(index) as shop:
        assert {match.label for match in running.find_by_words("can").matches} == set(LABELS)
        shop.add([paint_file(index.parent / "new.png", 99)], "new")
        shop.remove(LABELS[0])
        found = {match.label for match in running.find_by_words("can").matches}
    assert found == {"new", *LABELS[1:]}


def test_words_among_what_a_filter_allows(index: Path, run: Run) -> None:
    where = ("--where", "label = 'green tea'")
    found = json.loads(run("recognize", "--text", "can", *where, "--index", index, "--json").stdout)
    assert [match["label"] for match in found["matches"]] == ["green tea"]


def test_other_words_are_other_vectors_and_capitals_are_none() -> None:
    embedder = TextEmbedder(read_folder(tiny_clip.FOLDER))
    red, again, green = embedder.embed(["red can", "Red CAN", "green tea"])
    assert np.array_equal(red, again)
    assert float(red @ red) == pytest.approx(1.0, abs=1e-5)
    assert float(red @ green) < 0.999


def test_tokens_begin_and_end_and_are_padded_with_zeros() -> None:
    spec = read_folder(tiny_clip.FOLDER)
    tokenizer = Tokenizer(spec.files["tokenizer"].path, 10)
    begin, end = (tiny_clip.VOCABULARY.index(f"<|{kind}oftext|>") for kind in ("start", "end"))
    (row,) = tokenizer(["tea"])
    assert (
        row.tolist()
        == [begin, *map(tiny_clip.VOCABULARY.index, ("t", "e", "a</w>")), end] + [0] * 5
    )
    (long,) = tokenizer(["a" * 50])
    assert (long[0], long[-1]) == (begin, end)


def test_a_model_that_cannot_read_says_so_in_one_sentence(tmp_path: Path, run: Run) -> None:
    paint_file(tmp_path / "photos" / "a" / "1.png", 1)
    index = ("--index", tmp_path / "index")
    done = run("build-index", "--gallery", tmp_path / "photos", "--detector", "none", *index)
    assert done.exit_code == 0, done.output
    refused = run("recognize", "--text", "red can", *index)
    assert refused.exit_code == 1
    assert "pplcnetv2_base_shitu cannot read words" in refused.stderr
    assert refused.stdout == ""


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsCorrupt, match=r"tokenizer\.json cannot be read"):
        Tokenizer(tmp_path / "tokenizer.json", 10)


def test_a_text_tower_that_takes_no_texts() -> None:
    spec = read_folder(tiny_clip.FOLDER)
    files = {**spec.files, "text": spec.files["onnx"]}
    with pytest.raises(ModelError, match=r"text tower .*model\.onnx takes .* so many tokens"):
        TextEmbedder(replace(spec, files=files))


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shitu.text_embedder.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'shitu\[text\]'"):
        Tokenizer(tmp_path / "tokenizer.json", 10)


def test_no_words_are_refused(index: Path, run: Run) -> None:
    for words, said in ((" ", "this one is empty"), ("a\udcff", "this one is not UTF-8")):
        refused = run("recognize", "--text", words, "--index", index)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert said in refused.stderr
        with Workspace(index) as shop, pytest.raises(ValueError, match=said):
            shop.find_by_words(words)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.jpg", "--text", "x"],
        ["--text", "x", "--explain"],
        ["--text", "x", "--threshold", "0.5"],
        ["--text", "x", "--verify", "on"],
    ],
)
def test_pictures_or_words(arguments: list[str], run: Run) -> None:
    assert run("recognize", *arguments).exit_code == 2
