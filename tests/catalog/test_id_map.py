"""Label lists of other programs: all forms of them are read, and no code in them ever runs."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from shitu.catalog.id_map import Named, read_id_map, split_line
from shitu.errors import IndexFileError


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("a/1.jpg\tred bull can", "a/1.jpg", "red bull can"),
        ("a/1.jpg red bull can", "a/1.jpg", "red bull can"),
        ("my pictures/1.JPG red bull can", "my pictures/1.JPG", "red bull can"),
        ("my pictures/1.jpg\tred bull can", "my pictures/1.jpg", "red bull can"),
        ("a/1.jpg\tred\tbull", "a/1.jpg", "red\tbull"),
        ("a/1.jpg  脉动 维生素", "a/1.jpg", "脉动 维生素"),
        ("a/1.jpg\tmade of a.jpg file", "a/1.jpg", "made of a.jpg file"),
        ("noextension red bull", "noextension", "red bull"),
        ("  a/1.jpg\tcola \n", "a/1.jpg", "cola"),
        ("a/1.jpg", "a/1.jpg", ""),
        ("", "", ""),
    ],
)
def test_a_line_is_split_once(line: str, path: str, label: str) -> None:
    assert split_line(line) == Named(path, label)


NAMES = {0: Named("a/1.jpg", "red bull can"), 7: Named("a/2.jpg", "脉动")}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("number", [int, np.int64, np.int32, np.uint8, np.dtype(">i8").type])
def test_pickles_of_every_protocol(tmp_path: Path, protocol: int, number: Any) -> None:
    lines = {number(i): f"{one.path}\t{one.label}" for i, one in NAMES.items()}
    (tmp_path / "id_map.pkl").write_bytes(pickle.dumps(lines, protocol))
    assert read_id_map(tmp_path) == NAMES


@pytest.mark.parametrize("name", ["id_map.yaml", "id_map.yml"])
def test_yaml(tmp_path: Path, name: str) -> None:
    info = {
        "index_type": "HNSW32",
        "metric_type": "IP",
        "id_map": {0: "red bull can", 1: "脉动", 2: "12", 3: 7.5},
    }
    text = yaml.dump(info, default_flow_style=False, allow_unicode=True)
    (tmp_path / name).write_text(text, "utf-8")
    labels = {i: one.label for i, one in read_id_map(tmp_path).items()}
    assert labels == {0: "red bull can", 1: "脉动", 2: "12", 3: "7.5"}


class Attack:
    """Makes a file when it is unpickled by a loader that lets it."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.what = (call, arguments)

    def __reduce__(self) -> Any:
        return self.what


def attacks(target: str) -> dict[str, bytes]:
    shell = f"touch {target}"
    return {
        "a shell": pickle.dumps({0: Attack(os.system, shell)}),
        "as a key": pickle.dumps({Attack(os.system, shell): "a\tb"}),
        "eval": pickle.dumps({0: Attack(eval, f"open({target!r}, 'w')")}),
        "a file": pickle.dumps({0: Attack(open, target, "w")}),
        "an array of objects": pickle.dumps(np.array([Attack(os.system, shell)], object)),
        "an object dtype": b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR.",
        "an object scalar": b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(VO\nI0\nI1\ntRtR.",
        "a builtin by its old name": b"c__builtin__\nexec\n(Vopen('%s','w')\ntR." % target.encode(),
        "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0ff2py.os.system x\x93.",
        "the program itself": b"cnumpy.core.multiarray\nscalar\n(dVbad\nVbad\nsb.",
        "its defaults": b"cnumpy.core.multiarray\nscalar\n(N(dV__defaults__\n(I1\ntst b.",
        "an instance": b"(inumpy\ndtype\n.",
        "without init": b"\x80\x02cnumpy\ndtype\n)\x81.",
        "something outside": b"Vx\nQ.",
        "a persistent name": b"Px\n.",
        "an extension": b"\x80\x02\x82\x01.",
        "a huge memo": b"\x80\x02]r\xff\xff\xff\x7f.",
        "a huge frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x0f].",
        "a huge text": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x0fx.",
        "deep": b"(" * 5000 + b"t" * 5000 + b".",
        "no end": pickle.dumps({0: "a\tb"})[:-1],
        "a list": pickle.dumps(["a\tb"]),
        "text as a key": pickle.dumps({"0": "a\tb"}),
        "a truth as a key": pickle.dumps({True: "a\tb"}),
        "a negative key": pickle.dumps({-1: "a\tb"}),
        "a number as a line": pickle.dumps({0: 5}),
        "bytes": pickle.dumps({0: b"a\tb"}),
        "nothing": b"",
    }


@pytest.mark.parametrize("name", attacks("x"))
def test_a_pickle_with_anything_else_in_it_is_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "pwned"
    (tmp_path / "id_map.pkl").write_bytes(attacks(str(target))[name])
    with pytest.raises(IndexFileError, match=r"id_map\.pkl.*nothing of it was used; build"):
        read_id_map(tmp_path)
    assert not target.exists()


def test_the_attacks_would_work_elsewhere(tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    for name in ("a shell", "as a key", "an array of objects"):
        pickle.loads(attacks(str(target))[name])  # noqa: S301
        assert target.exists()
        target.unlink()


def test_noise_is_refused(tmp_path: Path) -> None:
    rng = random.Random(3)
    good = pickle.dumps({np.int64(i): f"a/{i}.jpg\tlabel {i}" for i in range(20)})
    for _ in range(200):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / "id_map.pkl").write_bytes(data)
        try:
            found = read_id_map(tmp_path)
        except IndexFileError:
            continue
        assert all(type(key) is int and isinstance(one, Named) for key, one in found.items())


@pytest.mark.parametrize(
    "text",
    [
        "id_map: !!python/object/apply:os.system ['touch pwned']",
        "id_map: [1, 2]",
        "id_map: {0: [a]}",
        "id_map: {0: {a: b}}",
        "id_map: {a: b}",
        "index_type: Flat",
        "just text",
        "metric_type: hamming\nid_map: {0: a}",
        "a: &a [x, x]\nid_map: {0: *a}",
        "id_map: {0: a",
        "\x00",
    ],
)
def test_yaml_with_anything_else_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "id_map.yaml").write_text(text)
    with pytest.raises(IndexFileError, match=r"id_map\.yaml"):
        read_id_map(tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_none_or_two_lists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="0 of"):
        read_id_map(tmp_path)
    for name in ("id_map.yaml", "id_map.yml"):
        (tmp_path / name).write_text("id_map: {0: a}")
    with pytest.raises(IndexFileError, match="2 of"):
        read_id_map(tmp_path)


def test_a_list_that_is_too_large_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.catalog.id_map._LARGEST", 10)
    (tmp_path / "id_map.yaml").write_text("id_map: {0: a}")
    with pytest.raises(IndexFileError, match="larger"):
        read_id_map(tmp_path)
