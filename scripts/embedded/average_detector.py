"""Average detectors that went on from the same weights, each its own way.

    python average_detector.py DATA_FOLDER labels.jsonl OUT.npz A/state.pt B/state.pt ...

The mean is taken of the networks as they train, with batch norms folded, and gets statistics again
as train_detector.py gives them (Wortsman et al., Model soups, ICML 2022).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from detector_data import Batches, Scenes
from detector_net import INPUT_SIZE, PicoDet, fold_batch_norms, save_params, with_batch_norms


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("data", "labels", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("states", type=Path, nargs="+")
    args = parser.parse_args()
    scenes = Scenes(args.data, args.labels, photo_share=0.4, thing_share=0.25)
    probe = Batches(scenes, 6, 8, [INPUT_SIZE] * 6, 91)
    states = [torch.load(state, weights_only=True)["average"] for state in args.states]
    net = fold_batch_norms(PicoDet())
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    net.load_state_dict(mean)
    save_params(with_batch_norms(net, [probe[i][0] for i in range(6)]), args.out)


if __name__ == "__main__":
    main()
