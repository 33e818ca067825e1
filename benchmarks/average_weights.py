"""Average the weights of a run with those it started from.

    python benchmarks/average_weights.py START END.onnx -o MODEL.onnx

Along a fine-tuning the mean of both ends is often better than either (Wortsman et al., "Robust fine-tuning of zero-shot
models", 2022, arXiv 2109.01903). START and END are models or checkpoints of one network; the card is END's, and says
that it was averaged. How the shipped weights came about: docs/training.md.
"""

import argparse
import json
from pathlib import Path

import onnx

from allfocus.train.checkpoint import require_fit
from allfocus.train.onnx.export import CARD_KEY, FORMAT, export
from allfocus.train.onnx.weights import load_start


def main() -> None:
    """Read, average, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", type=Path)
    parser.add_argument("end", type=Path, help="a model file (.onnx)")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    start, end = load_start(arguments.start), load_start(arguments.end)
    network = end.network()
    require_fit(arguments.start, start.weights, network)
    network.load_state_dict({name: (value + start.weights[name]) / 2 for name, value in end.weights.items()})
    stored = {entry.key: entry.value for entry in onnx.load(arguments.end).metadata_props}
    card = json.loads(stored[CARD_KEY])
    # what was measured at the end of the run is no longer true of the mean
    card["format"] = FORMAT
    still_true = ("steps", "minutes", "flaws_learned")
    figures = {name: card["figures"][name] for name in still_true if name in card["figures"]}
    card["figures"] = {**figures, "averaged": "half and half with the weights that the run started from"}
    export(network, arguments.output, card)


if __name__ == "__main__":
    main()
