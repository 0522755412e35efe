"""What makes a change a trouble, in a few words; whether it does is asked of the checks, see `diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.matrix import parse_version

if TYPE_CHECKING:
    from gpucheck.facts import Facts

# By the finding that a change explains, and the last part of its place. Other pairs need no words or have none.
PLAIN = {
    ("driver-too-old", "version"): "too old for a CUDA runtime here",
    ("driver-too-old", "driver_cuda"): "below a CUDA runtime here",
    ("gpu-unsupported-by-driver", "version"): "which no longer supports the card",
    ("driver-library-mismatch", "library_version"): "while the loaded kernel module is still another",
    ("driver-library-mismatch", "module_version"): "while the driver's libraries are of another",
    ("kernel-module-not-loaded", "kernel"): "for which no NVIDIA module is there",
    ("cpu-only-build", "build"): "which cannot use a GPU",
    ("compute-capability-unsupported", "arch_list"): "without code for a card here",
    ("compute-capability-unsupported", "version"): "without code for a card here",
    ("visible-devices-hides-gpu", "CUDA_VISIBLE_DEVICES"): "which hides GPUs",
    ("ld-library-path-shadowing", "LD_LIBRARY_PATH"): "whose libraries come before the framework's own",
    ("shared-memory-too-small", "shared_memory"): "too small for workers that load data",
}


def clause(place: str, explains: tuple[str, ...], new: Facts) -> tuple[str | None, str | None]:
    """Return what a changed thing is called in front of a clause, None: as always; and the clause, or None.

    Args:
        place: Where the change is.
        explains: Slugs of the findings that it explains.
        new: The machine after it.
    """
    field = place.rpartition(".")[2]
    if field == "cudnn_loaded" and "cudnn-version-mismatch" in explains:
        return "cuDNN", _beside_built(new, place.partition(".")[0])
    found = (PLAIN.get((slug, field)) for slug in explains)
    return None, next(filter(None, found), None)


def _beside_built(facts: Facts, framework: str) -> str:
    one = facts.framework(framework)
    loaded = one.cudnn_loaded.value.version.value if one.cudnn_loaded.value is not None else None
    have, want = parse_version(loaded), parse_version(one.cudnn_built.value)
    if have is not None and want is not None and have < want:
        return f"below what {framework} was built with"
    return f"not what {framework} was built with"
