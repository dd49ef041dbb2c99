"""Trains the two versions of `digits` and writes all that the example consists of. See README.md.

    python train.py           train, export, measure and write everything
    python train.py --check   measure the models that are here and compare with accuracy.json

Version 1 is a softmax regression, version 2 a small convolutional network. Both take the pixels as they are in the data
(0 to 16) and scale them inside. They learn from the first half of the pictures and are measured on the second.
"""

import argparse
import hashlib
import json
import textwrap
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

HERE = Path(__file__).parent
SEED = 8
# The halves of scikit-learn's own example with these pictures, in the order of the data.
TRAINING_PICTURES = 898
PIXEL_MAX = 16.0
SIDE = 8
EPOCHS = 80
BATCH = 32
# Old enough for every runtime in use.
OPSET = 13
IR_VERSION = 7
MODELS = {1: "softmax regression", 2: "small convolutional network"}


# --- version 1


def train_softmax_regression(pixels, digits):
    regression = LogisticRegression(max_iter=2000).fit(pixels / PIXEL_MAX, digits)
    weights = {
        "weights": regression.coef_.T.astype(np.float32),
        "bias": regression.intercept_.astype(np.float32),
    }
    return [helper.make_node("Gemm", ["scaled", "weights", "bias"], ["scores"])], weights


# --- version 2


class ConvolutionalNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution1 = nn.Conv2d(1, 16, 3, padding=1)
        self.convolution2 = nn.Conv2d(16, 32, 3, padding=1)
        self.dense1 = nn.Linear(32 * 4 * 4, 64)
        self.dense2 = nn.Linear(64, 10)
        self.dropout = nn.Dropout(0.4)

    def forward(self, pictures):
        features = torch.relu(self.convolution1(pictures))
        features = torch.max_pool2d(torch.relu(self.convolution2(features)), 2)
        features = torch.relu(self.dense1(self.dropout(features.flatten(1))))
        return self.dense2(self.dropout(features))


def train_convolutional_network(pixels, digits):
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    pictures = torch.from_numpy(pixels / PIXEL_MAX).reshape(-1, 1, SIDE, SIDE)
    targets = torch.from_numpy(digits)
    network = ConvolutionalNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    network.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(pictures)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(shifted(pictures[chosen])), targets[chosen])
            loss.backward()
            optimizer.step()
        schedule.step()
    return convolutional_nodes(), {name: value.detach().numpy() for name, value in network.state_dict().items()}


def shifted(pictures):
    """Moves each picture by up to one pixel each way: the same digit, and more to learn from."""
    padded = nn.functional.pad(pictures, (1, 1, 1, 1))
    offsets = torch.randint(0, 3, (len(pictures), 2)).tolist()
    return torch.stack([picture[:, y : y + SIDE, x : x + SIDE] for picture, (y, x) in zip(padded, offsets)])


def convolutional_nodes():
    """What `ConvolutionalNetwork.forward` does; dropout is for training only."""

    def node(operator, inputs, output, **attributes):
        return helper.make_node(operator, inputs, [output], **attributes)

    padding = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return [
        node("Reshape", ["scaled", "picture_shape"], "picture"),
        node("Conv", ["picture", "convolution1.weight", "convolution1.bias"], "features1", **padding),
        node("Relu", ["features1"], "active1"),
        node("Conv", ["active1", "convolution2.weight", "convolution2.bias"], "features2", **padding),
        node("Relu", ["features2"], "active2"),
        node("MaxPool", ["active2"], "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["pooled"], "flat", axis=1),
        node("Gemm", ["flat", "dense1.weight", "dense1.bias"], "features3", transB=1),
        node("Relu", ["features3"], "active3"),
        node("Gemm", ["active3", "dense2.weight", "dense2.bias"], "scores", transB=1),
    ]


# --- export and measurement


def export(version, nodes, weights):
    """Writes digits-vN.onnx: `nodes` lead from `scaled` to `scores`; what stands before and behind is the same for both."""
    constants = {**weights, "pixel_max": np.float32(PIXEL_MAX)}
    if version == 2:
        constants["picture_shape"] = np.array([-1, 1, SIDE, SIDE], np.int64)
    graph = helper.make_graph(
        [
            helper.make_node("Div", ["pixels", "pixel_max"], ["scaled"]),
            *nodes,
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        ],
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", SIDE * SIDE])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10]),
            helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="examples/digits/train.py",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        doc_string=f"Handwritten digits, version {version}: {MODELS[version]}. Pixels are 0 to 16, row by row.",
    )
    onnx.checker.check_model(model, full_check=True)
    model_path(version).write_bytes(model.SerializeToString(deterministic=True))


def model_path(version):
    return HERE / f"digits-v{version}.onnx"


def measure(version, pixels, digits):
    """What the exported file answers for the held-out half, by onnxruntime."""
    session = onnxruntime.InferenceSession(model_path(version), providers=["CPUExecutionProvider"])
    probabilities, labels = session.run(["probabilities", "label"], {"pixels": pixels[TRAINING_PICTURES:]})
    correct = int((labels == digits[TRAINING_PICTURES:]).sum())
    facts = {
        "version": version,
        "file": model_path(version).name,
        "sha256": hashlib.sha256(model_path(version).read_bytes()).hexdigest(),
        "kind": MODELS[version],
        "heldOut": len(labels),
        "correct": correct,
        "accuracy": round(correct / len(labels), 6),
    }
    return facts, probabilities, labels


# --- what the command line and the documentation read


def write_data(pixels, digits):
    header = ",".join(["held_out", "digit", *(f"p{index}" for index in range(SIDE * SIDE))])
    rows = [
        ",".join(map(str, [int(index >= TRAINING_PICTURES), digit, *picture]))
        for index, (picture, digit) in enumerate(zip(pixels.astype(int).tolist(), digits.tolist()))
    ]
    (HERE / "data" / "digits.csv").write_text("\n".join([header, *rows, ""]))


def write_expected(facts, probabilities, labels):
    """One row a held-out picture: the label, then ten probabilities."""
    rows = [
        json.dumps([int(label), *(round(float(value), 6) for value in row)], separators=(",", ":"))
        for label, row in zip(labels, probabilities)
    ]
    head = json.dumps({"file": facts["file"], "sha256": facts["sha256"], "firstSample": TRAINING_PICTURES})
    text = f'{head[:-1]}, "answers": [\n' + ",\n".join(rows) + "\n]}\n"
    (HERE / "data" / f"expected-v{facts['version']}.json").write_text(text)


def write_samples(sample, picture):
    """The same picture in the form of each protocol, for pasting. Laid out as the formatter of this repository wants it."""
    values = ", ".join(str(int(value)) for value in picture)

    def listed(indent):
        return textwrap.fill(values, 120, initial_indent=" " * indent, subsequent_indent=" " * indent)

    (HERE / "sample.rest.json").write_text(
        '{\n  "instances": [\n    {\n      "pixels": [\n' + listed(8) + "\n      ]\n    }\n  ]\n}\n"
    )
    (HERE / "sample.grpc.json").write_text(
        '{\n  "model_name": "digits",\n  "id": "sample-' + str(sample) + '",\n  "inputs": [\n    {\n'
        '      "name": "pixels",\n      "datatype": "FP32",\n      "shape": [1, 64],\n      "contents": {\n'
        '        "fp32_contents": [\n' + listed(10) + "\n        ]\n      }\n    }\n  ]\n}\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="train and write nothing: measure what is here")
    check = parser.parse_args().check
    data = load_digits()
    pixels, digits = data.data.astype(np.float32), data.target.astype(np.int64)
    if not check:
        training = pixels[:TRAINING_PICTURES], digits[:TRAINING_PICTURES]
        export(1, *train_softmax_regression(*training))
        export(2, *train_convolutional_network(*training))
    measured = {version: measure(version, pixels, digits) for version in MODELS}
    facts = [measured[version][0] for version in MODELS]
    for fact in facts:
        share = f"{fact['correct']} of {fact['heldOut']} held-out pictures right: {fact['accuracy']:.2%}"
        print(f"digits@{fact['version']}  {share}")
    if check:
        written = json.loads((HERE / "accuracy.json").read_text())
        if written != facts:
            raise SystemExit("accuracy.json says something else")
        return
    (HERE / "data").mkdir(exist_ok=True)
    (HERE / "accuracy.json").write_text(json.dumps(facts, indent=2) + "\n")
    write_data(pixels, digits)
    for version in MODELS:
        write_expected(*measured[version])
    # A picture that version 1 takes for another digit and version 2 does not.
    labels1, labels2 = measured[1][2], measured[2][2]
    truth = digits[TRAINING_PICTURES:]
    sample = TRAINING_PICTURES + int(np.argmax((labels1 != truth) & (labels2 == truth)))
    write_samples(sample, pixels[sample])


if __name__ == "__main__":
    main()
