"""How much sooner `gpucheck smoke` gets there than the tutorials' own loops: python benchmarks/tutorials.py MNIST

The loops are the texts' own ways, repaired only where today's packages refuse them: Keras' fit for cnn-64 and
conv8-sgd, an eager GradientTape for cnn-1024, PyTorch's DataLoader with SGD for lenet5. Each is a cold process
that trains until its test accuracy is at the target or its text ends; its clock runs from the first line, import
and data included, evaluation apart. cnn-128's loop (TensorFlow 1) needs 14 epochs for 98 % by its own log and is
left out. Beside them stands `gpucheck smoke` in the same run. Takes about 20 minutes; ratios are printed, never
judged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from smoke import trained

LOAD = """
import time
begin, apart = time.perf_counter(), 0.0
import gzip, sys, numpy as np
folder = sys.argv[1]
def load(name, head):
    with gzip.open(f"{folder}/{name}.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=head)
train, test = (load(f"{part}-images-idx3-ubyte", 16).reshape(-1, 28, 28) for part in ("train", "t10k"))
truth, answers = (load(f"{part}-labels-idx1-ubyte", 8) for part in ("train", "t10k"))
told = {}
def reached(evaluate):
    global apart
    start = time.perf_counter()
    accuracy = evaluate()
    apart += time.perf_counter() - start
    for target in (0.98, 0.99):
        if accuracy >= target and target not in told:
            told[target] = time.perf_counter() - begin - apart
            print("REACHED", target, round(told[target], 2), round(accuracy, 4), flush=True)
    return 0.99 in told
"""
FIT = """
import keras
from keras import layers
x, t = train[..., None] / np.float32(255), test[..., None] / np.float32(255)
model = keras.Sequential([keras.Input((28, 28, 1)), {network}])
model.compile({how}, metrics=["accuracy"])
for epoch in range({epochs}):
    model.fit(x, {labels}, batch_size={batch}, epochs=1, verbose=0)
    if reached(lambda: float((model.predict(t, batch_size=1000, verbose=0).argmax(1) == answers).mean())):
        break
"""
TAPE = """
import tensorflow as tf, keras
from keras import layers
x, t = train[..., None] / np.float32(255), test[..., None] / np.float32(255)
model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 5, padding="same", activation="relu"),
    layers.MaxPool2D(2), layers.Conv2D(64, 5, padding="same", activation="relu"), layers.MaxPool2D(2),
    layers.Flatten(), layers.Dense(1024, activation="relu"), layers.Dense(10), layers.Softmax()])
optimizer = keras.optimizers.Adam(1e-3)
for step in range(6000):
    chosen = np.random.randint(0, len(x), 50)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(truth[chosen], model(x[chosen])))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.variables), model.variables))
    if step % 100 == 99 and reached(
        lambda: float((model.predict(t, batch_size=1000, verbose=0).argmax(1) == answers).mean())
    ):
        break
"""
LENET = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2, 2), nn.Conv2d(6, 16, 5),
    nn.Sigmoid(), nn.AvgPool2d(2, 2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84),
    nn.Sigmoid(), nn.Linear(84, 10))
for part in net:
    if isinstance(part, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(part.weight)
x, t = (torch.from_numpy(part / np.float32(255))[:, None] for part in (train, test))
loader = DataLoader(TensorDataset(x, torch.from_numpy(truth.astype(int))), 256, shuffle=True)
optimizer, loss = torch.optim.SGD(net.parameters(), lr=0.9), nn.CrossEntropyLoss()
for epoch in range(10):
    for images, labels in loader:
        optimizer.zero_grad()
        loss(net(images), labels).backward()
        optimizer.step()
    with torch.no_grad():
        if reached(lambda: float((net(t).argmax(1).numpy() == answers).mean())):
            break
"""
CNN_64 = (
    'layers.Conv2D(32, 3, activation="relu"), layers.MaxPool2D(2), layers.Conv2D(64, 3, activation="relu"), '
    'layers.MaxPool2D(2), layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)'
)
CONV8 = (
    'layers.Conv2D(8, 3, activation="relu", kernel_initializer="he_uniform"), layers.MaxPool2D(2), '
    'layers.Flatten(), layers.Dense(120, activation="relu", kernel_initializer="he_uniform"), '
    'layers.Dense(10, activation="softmax")'
)
ADAM = 'optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)'
MOMENTUM = 'optimizer=keras.optimizers.SGD(0.01, momentum=0.9), loss="categorical_crossentropy"'
LOOPS = {
    "cnn-64": FIT.format(network=CNN_64, how=ADAM, epochs=10, labels="truth", batch=32),
    "conv8-sgd": FIT.format(
        network=CONV8, how=MOMENTUM, epochs=10, labels="keras.utils.to_categorical(truth)", batch=60
    ),
    "lenet5": LENET,
    "cnn-1024": TAPE,
}


def run(name: str, data: str) -> dict[float, float]:
    """Run one loop; return the seconds after which it had reached 98 and 99 %."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD + LOOPS[name], data],
        capture_output=True, text=True, env=env, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-500:]}")
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("REACHED")]
    return {float(target): float(seconds) for _, target, seconds, _ in lines}


def main() -> None:
    """Measure and print."""
    data = str(Path(sys.argv[1]).resolve())
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else list(LOOPS)
    smoke = {target / 100: trained("torch", data, target, 0)[0] for target in (98, 99)}
    print("gpucheck smoke, torch:", json.dumps(smoke), flush=True)
    fastest: dict[float, float] = {}
    for name in names:
        begin = time.perf_counter()
        found = run(name, data)
        print(f"{name}: {json.dumps(found)} of {time.perf_counter() - begin:.0f} s", flush=True)
        for target, seconds in found.items():
            fastest[target] = min(seconds, fastest.get(target, seconds))
    again = {target / 100: trained("torch", data, target, 1)[0] for target in (98, 99)}
    print("gpucheck smoke, torch, again:", json.dumps(again))
    for target, seconds in sorted(fastest.items()):
        print(f"{target:.0%}: {seconds / smoke[target]:.1f} and {seconds / again[target]:.1f} times sooner")


if __name__ == "__main__":
    main()
