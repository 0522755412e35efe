"""MNIST's idx files, plain or gzipped, read strictly.

The form: http://yann.lecun.com/exdb/mnist/ as it was: two zero bytes, the type (8: unsigned byte), the
number of dimensions, each dimension as a big-endian 32-bit number, then the bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import zlib

import numpy as np

from smokelib.session import BadInput

NAMES = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "t10k-images": "t10k-images-idx3-ubyte",
    "t10k-labels": "t10k-labels-idx1-ubyte",
}


def unpack(folder: str, name: str) -> tuple[str, bytes]:
    """Return the path and the unpacked bytes of one file, which may be gzipped."""
    for ending in ("", ".gz"):
        path = os.path.join(folder, NAMES[name] + ending)
        if not os.path.exists(path):
            continue
        try:
            with open(path, "rb") as file:
                content = file.read()
            return path, gzip.decompress(content) if ending else content
        except EOFError:
            raise BadInput(f"--data {path}: the gzip file is cut off") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise BadInput(f"--data {path}: is no sound gzip file: {error}") from None
        except OSError as error:
            raise BadInput(f"--data {path}: cannot be read: {error.strerror}") from None
    raise BadInput(f"--data {folder}: {NAMES[name]} is missing, plain or with .gz")


def parse(path: str, content: bytes, dimensions: int) -> np.ndarray:
    """Return the array of an idx file with that many dimensions, checking every byte of its head."""
    head = 4 + 4 * dimensions
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic:
        raise BadInput(f"--data {path}: wrong magic number {content[:4].hex()}, {magic.hex()} expected")
    if len(content) < head:
        raise BadInput(f"--data {path}: is cut off in its head")
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    expected = math.prod(shape)
    if len(content) - head != expected:
        raise BadInput(f"--data {path}: {expected} bytes of data announced, {len(content) - head} found")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def load(folder: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the four arrays and the SHA-256 of their unpacked files.

    Raises:
        BadInput: A file is missing, damaged, or does not fit the others.
    """
    arrays, sums = {}, {}
    for name, file in NAMES.items():
        path, content = unpack(folder, name)
        sums[file] = hashlib.sha256(content).hexdigest()
        arrays[name] = parse(path, content, 3 if name.endswith("images") else 1)
        check(path, name, arrays)
    return arrays, sums


def check(path: str, name: str, arrays: dict[str, np.ndarray]) -> None:
    """Check one array's content, and labels against the images read before them."""
    array = arrays[name]
    if len(array) == 0:
        raise BadInput(f"--data {path}: holds nothing")
    if name.endswith("images"):
        if array.shape[1:] != (28, 28):
            raise BadInput(f"--data {path}: images of {array.shape[1]} x {array.shape[2]}, 28 x 28 expected")
        return
    images = arrays[name.replace("labels", "images")]
    if len(array) != len(images):
        raise BadInput(f"--data {path}: {len(array)} labels for {len(images)} images")
    if array.max() > 9:
        where = int(np.argmax(array > 9))
        raise BadInput(f"--data {path}: label {array[where]} at position {where} is out of range, 0 to 9 expected")
