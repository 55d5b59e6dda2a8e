"""Arguments in, tables (or JSON) out; errors are sentences."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.parts import KINDS, PARTS, PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.sections import Section


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.measure not in _TIMED:
        # What is the fastest here would give other figures on another machine.
        os.environ.setdefault("SHITU_ENGINE", "onnxruntime")
    try:
        from shitu.errors import ShituError
    except ImportError:
        print(
            "shitu is not installed for this Python: run ./scripts/demo once, then "
            ".venv/bin/python scripts/bench",
            file=sys.stderr,
        )
        return 1
    try:
        sections = arguments.measure(arguments)
    except ShituError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({section.name: section.values for section in sections}))
    else:
        print("\n\n".join(section.markdown() for section in sections))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the installed shitu.")
    commands = parser.add_subparsers(
        required=True, metavar="quality | sample | adapted | speed | paddlex | gallery | verifier"
    )

    quality = commands.add_parser("quality", help="retrieval on public photos, in several ways")
    quality.add_argument("data", type=Path, help="folder with grocery/")
    quality.add_argument("--only", nargs="+", choices=PARTS, help="some parts only")
    quality.add_argument(
        "--model",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="feature models, by name or folder; default: that of the settings",
    )
    quality.add_argument(
        "--teachers",
        type=Path,
        help="folder of feature models without a threshold: each is measured, and all together",
    )
    quality.add_argument(
        "--localizer", type=Path, help="ONNX file of Mobile Object Localizer v1, to compare crops"
    )
    quality.add_argument(
        "--labelled",
        type=Path,
        metavar="DATASETS",
        help="folder with Homework2-Caltech101/ and the others of the part labelled",
    )
    quality.add_argument(
        "--per-label", type=int, help="only so many pictures of each label: quick, not comparable"
    )
    quality.set_defaults(measure=_quality)

    sample = commands.add_parser("sample", help="queries and scenes of the sample gallery")
    sample.set_defaults(measure=_sample)

    adapted = commands.add_parser("adapted", help="`shitu adapt` and `calibrate` on public photos")
    adapted.add_argument("data", type=Path, help="folder with grocery/")
    adapted.add_argument("--strangers", type=Path, help="folder of pictures of other things")
    adapted.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    adapted.set_defaults(measure=_adapted)

    speed = commands.add_parser("speed", help="times and sizes")
    speed.add_argument("data", type=Path, nargs="?", help="folder with grocery/, if there is one")
    speed.add_argument("--rounds", type=int, default=5, help="of all that is timed, interleaved")
    speed.set_defaults(measure=_speed)

    paddlex = commands.add_parser("paddlex", help="the same networks in PaddleX, in turn with ours")
    paddlex.add_argument("data", type=Path, help="folder with grocery/")
    paddlex.add_argument(
        "--environment",
        type=Path,
        default=Path.home() / ".cache" / "shitu-bench-paddlex",
        help="virtual environment with PaddleX, made if there is none  [default: %(default)s]",
    )
    paddlex.add_argument("--rounds", type=int, default=3)
    paddlex.add_argument("--photos", type=int, default=60)
    paddlex.add_argument("--references", type=int, default=300, help="pictures of the build")
    paddlex.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    paddlex.add_argument("--threads", type=int, default=2)
    paddlex.set_defaults(measure=_paddlex)

    gallery = commands.add_parser("gallery", help="large galleries: kinds of index, filters, adds")
    gallery.add_argument("--sizes", type=int, nargs="+", default=[2000], help="references")
    gallery.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    gallery.add_argument("--recall", type=float, default=0.99)
    gallery.add_argument("--dim", type=int, default=512)
    gallery.add_argument("--queries", type=int, default=500)
    gallery.add_argument("--folder", type=Path, help="where there is room: 6 GB for a million")
    gallery.set_defaults(measure=_gallery)

    verifier = commands.add_parser("verifier", help="geometric checks on flat packages")
    verifier.add_argument(
        "pictures", type=Path, nargs="?", help="folder to print packages on; default: our products"
    )
    verifier.add_argument("--packages", type=int, default=80)
    verifier.add_argument("--photos", type=int, default=2, help="of each package")
    verifier.add_argument("--seed", type=int, default=1)
    verifier.add_argument(
        "--grocery", type=Path, metavar="DATA", help="folder with grocery/: measured there instead"
    )
    verifier.add_argument("--per-label", type=int, default=8, help="of grocery, in the gallery")
    verifier.add_argument("--queries", type=int, default=400, help="of grocery")
    verifier.add_argument(
        "--whole",
        nargs="+",
        choices=PROTOCOLS,
        help="of grocery: all of it, as eval-recall answers",
    )
    verifier.set_defaults(measure=_verifier)

    for command in (quality, sample, adapted, speed, paddlex, gallery, verifier):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _quality(arguments: argparse.Namespace) -> list[Section]:
    from benchmarks.quality import Wanted, measure_quality

    return measure_quality(
        Wanted(
            arguments.data / "grocery",
            arguments.only,
            arguments.model,
            arguments.teachers,
            arguments.localizer,
            arguments.labelled,
            arguments.per_label,
        )
    )


def _adapted(arguments: argparse.Namespace) -> list[Section]:
    from benchmarks.adapted import measure_adapted

    return measure_adapted(arguments.data / "grocery", arguments.strangers, arguments.cache)


def _verifier(arguments: argparse.Namespace) -> list[Section]:
    from benchmarks.checked import measure_checked
    from benchmarks.unharmed import measure_unharmed
    from benchmarks.verifier import measure_verifier

    if arguments.grocery is not None:
        folder = arguments.grocery / "grocery"
        if arguments.whole:
            return measure_checked(folder, arguments.whole)
        return measure_unharmed(folder, arguments.per_label, arguments.queries)
    return measure_verifier(
        arguments.pictures, arguments.packages, arguments.photos, arguments.seed
    )


def _sample(_: argparse.Namespace) -> list[Section]:
    from benchmarks.sample import sample_sections

    return sample_sections()


def _speed(arguments: argparse.Namespace) -> list[Section]:
    from benchmarks.speed import measure_speed

    data: Path | None = arguments.data
    return measure_speed(None if data is None else data.resolve() / "grocery", arguments.rounds)


def _paddlex(arguments: argparse.Namespace) -> list[Section]:
    from benchmarks.paddlex import Wanted, measure_paddlex

    return measure_paddlex(
        Wanted(
            arguments.data.resolve() / "grocery",
            arguments.environment.absolute(),
            arguments.rounds,
            arguments.photos,
            arguments.references,
            arguments.sizes,
            arguments.threads,
        )
    )


def _gallery(arguments: argparse.Namespace) -> list[Section]:
    from benchmarks.gallery import Wanted, measure_gallery

    return measure_gallery(
        Wanted(
            arguments.sizes,
            arguments.kinds,
            arguments.recall,
            arguments.dim,
            arguments.queries,
            arguments.folder,
        )
    )


_TIMED = (_speed, _paddlex, _gallery)
