"""Which CUDA libraries the loader would take for a framework, file by file, with their true versions.

Nothing is guessed: the order follows from the tags in the framework's own library. Torch's CUDA wheels carry
DT_RPATH, which comes before LD_LIBRARY_PATH; TensorFlow's carry DT_RUNPATH, which comes after it (measured on
torch 2.10.0 and 2.13.0, TensorFlow 2.16.2 to 2.21.0).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.facts import Dependency, Fact, Framework, Library, absent, seen
from gpucheck.probe.elf import Dynamic, ElfError, dynamic
from gpucheck.probe.frameworks import cudnn_major

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gpucheck.probe.distributions import Distribution
    from gpucheck.probe.loader import Loader

# The library of each framework that loads CUDA's. TensorFlow's loader lives in its framework library.
ASKERS = {"torch": "lib/libtorch_cuda.so", "tensorflow": "libtensorflow_framework.so.2"}
CUDA_NAMES = r"lib(?:cu|nccl|nvrtc|nvJitLink)[\w.-]*\.so[.\d]*"
# TensorFlow opens these by name (dso_loader.cc of XLA); the number is the major version of the package.
OPENED_BY_TENSORFLOW = {
    "cuda-runtime": ("libcudart",),
    "cublas": ("libcublas", "libcublasLt"),
    "cufft": ("libcufft",),
    "cusolver": ("libcusolver",),
    "cusparse": ("libcusparse",),
    "cudnn": ("libcudnn",),
}
# Of cuDNN's sub-libraries the graph library opens these, the main one all others (measured on 9.28).
OPENED_BY_GRAPH = ("libcudnn_engines", "libcudnn_heuristic")


def of_framework(
    framework: Framework, loader: Loader, folders: tuple[Path, ...], installed: Mapping[str, Distribution]
) -> Framework:
    """Add which CUDA libraries a CUDA build would load, cuDNN and its sub-libraries among them.

    Args:
        framework: What its files show.
        loader: The loader's search.
        folders: The interpreter's import path, where torch itself looks for what the loader does not find.
        installed: Installed distributions by normalised name.
    """
    package = Path(framework.folder.value or "/")
    path = package / ASKERS[framework.name]
    try:
        asker = dynamic(path)
    except ElfError as error:
        nothing = absent(str(error), str(path))
        return replace(framework, libraries=nothing, cudnn_loaded=nothing, cudnn_parts=nothing)
    search = _Search(loader, asker, package.parent, folders if framework.name == "torch" else (), installed)
    names = _asked_for(framework, asker)
    dependencies = tuple(search.dependency(name) for name in names)
    if (
        framework.name == "tensorflow"
    ):  # torch loads its own before cuSPARSE asks for it (measured on 2.10 and 2.13)
        dependencies += tuple(search.of_cusparse(dependencies))
    cudnn = next((one.taken for one in dependencies if one.soname.startswith("libcudnn.")), None)
    return replace(
        framework,
        libraries=seen(dependencies, str(path)),
        cudnn_loaded=cudnn or absent("which cuDNN it asks for is not known", str(path)),
        cudnn_parts=seen(tuple(_parts(loader, asker, Path(cudnn.value.path))), cudnn.value.path)
        if cudnn is not None and cudnn.value is not None
        else absent("no cuDNN is loaded"),
    )


def _asked_for(framework: Framework, asker: Dynamic) -> tuple[str, ...]:
    if framework.name == "torch":
        return tuple(name for name in asker.needed if re.fullmatch(CUDA_NAMES, name))
    names = []
    for line in framework.requires.value or ():
        names += _sonames(line)
    major = cudnn_major(framework)
    if not names and major is not None:  # before 2.14 there is no extra to tell the others
        names.append(f"libcudnn.so.{major}")
    return tuple(dict.fromkeys(names))


def _sonames(requirement: str) -> list[str]:
    """What TensorFlow opens of a package, e.g. ``nvidia-cufft-cu12<12.0`` or ``==11.2.1``: libcufft.so.11."""
    found = re.match(r"nvidia-([a-z-]+)-cu\d+ *\(?(?:.*<(\d+)\.|==(\d+)\.)", requirement)
    if found is None:
        return []
    major = int(found.group(2)) - 1 if found.group(2) else int(found.group(3))
    names = OPENED_BY_TENSORFLOW.get(found.group(1), ())
    # CUDA 11's runtime kept one soname through all minors.
    return [f"{name}.so.{'11.0' if name == 'libcudart' and major == 11 else major}" for name in names]


class _Search:
    """The loader's search for one framework."""

    def __init__(
        self,
        loader: Loader,
        asker: Dynamic,
        site: Path,
        preloads: tuple[Path, ...],
        installed: Mapping[str, Distribution],
    ) -> None:
        self.loader, self.asker, self.site, self.preloads = loader, asker, site, preloads
        self.installed = installed

    def dependency(self, soname: str, asker: Dynamic | None = None) -> Dependency:
        """Return what the loader would take for a soname that the framework, or a library of it, asks for."""
        above = self.asker if asker is not None else None
        files = list(self.loader.candidates(soname, asker or self.asker, above))
        shipped = next((self._library(path) for path in _wheel_files((self.site,), soname)), None)
        # torch/__init__.py: what the loader does not find is loaded from nvidia/*/lib on the import path.
        files = files or list(_wheel_files(self.preloads, soname))[:1]
        if not files:
            reason = f"{soname} is in none of the folders that the loader searches"
            return Dependency(soname=soname, taken=absent(reason, "the loader's folders"), shipped=shipped)
        library = self._library(files[0], files[1:])
        return Dependency(soname=soname, taken=seen(library, library.path), shipped=shipped)

    def of_cusparse(self, dependencies: tuple[Dependency, ...]) -> Iterator[Dependency]:
        """Yield the nvJitLink that cuSPARSE asks for, the one that an older CUDA on LD_LIBRARY_PATH breaks.

        Source: PyTorch issue 138460.
        """
        files = [one.taken.value.path for one in dependencies if one.taken.value and "libcusparse." in one.soname]
        for file in files:
            try:
                tags = dynamic(Path(file))
            except ElfError:
                continue
            for soname in tags.needed:
                if soname.startswith("libnvJitLink."):
                    yield self.dependency(soname, tags)

    def _library(self, path: Path, further: list[Path] | None = None) -> Library:
        shadows = dict.fromkeys(str(one) for one in further or () if one.resolve() != path.resolve())
        return Library(path=str(path), version=self._version(path), shadows=tuple(shadows))

    def _version(self, path: Path) -> Fact[str]:
        return by_name(path) or self._by_owner(path) or absent("no package and no file name tells it", str(path))

    def _by_owner(self, path: Path) -> Fact[str] | None:
        """The version of the one installed package whose RECORD lists the file."""
        if self.site not in path.parents:
            return None
        record = path.relative_to(self.site).as_posix()
        owners = [
            one
            for name, one in self.installed.items()
            if name.startswith("nvidia-") and one.path.parent == self.site and record in one.files
        ]
        if len(owners) != 1:
            return None
        return seen(".".join(owners[0].version.split(".")[:3]), str(owners[0].path), raw=owners[0].version)


def by_name(path: Path) -> Fact[str] | None:
    """Return the version in the file's real name, e.g. ``libcudnn.so.9.23.0``."""
    real = path.resolve()
    found = re.fullmatch(r".*\.so\.(\d+\.\d+\.\d+)(?:\.\d+)?", real.name)
    return seen(found.group(1), str(real)) if found else None


def _wheel_files(sites: tuple[Path, ...], soname: str) -> Iterator[Path]:
    for site in sites:
        yield from sorted((site / "nvidia").glob(f"*/lib/{soname}"))


def _parts(loader: Loader, framework: Dynamic, main: Path) -> Iterator[Library]:
    """The sub-libraries that a cuDNN would take, as itself and its graph library ask the loader for them."""
    ending = main.name.partition(".so")[2]  # .9
    graph = main.with_name(f"libcudnn_graph.so{ending}")
    asked = {"main": (_tags(main), framework), "graph": (_tags(graph), _tags(main))}
    for name in sorted(_part_names(loader, main, ending)):
        asker, above = asked["graph" if name.startswith(OPENED_BY_GRAPH) else "main"]
        taken = next(loader.candidates(name, asker, above), None)
        if taken is not None and (taken.parent == main.parent or _mentions((main, graph), name)):
            yield Library(path=str(taken), version=_part_version(taken, main))


def _tags(path: Path) -> Dynamic:
    try:
        return dynamic(path)
    except ElfError:
        return Dynamic(runpath=(str(path.parent),))  # what NVIDIA's packages carry


def _part_names(loader: Loader, main: Path, ending: str) -> set[str]:
    """Names of sub-libraries beside a cuDNN and wherever else the loader might find one."""
    folders = [str(main.parent), *loader.library_path, *loader.system_folders("libcudnn_graph.so")]
    names: set[str] = set()
    for folder in dict.fromkeys(folders):
        try:
            names.update(path.name for path in Path(folder).glob(f"libcudnn_*.so{ending}"))
        except OSError:
            continue
    return names


def _mentions(askers: tuple[Path, ...], name: str) -> bool:
    """Whether a library carries a sub-library's name: only then it opens it. Asked of foreign files alone."""
    stem = name.partition(".so")[0].encode()
    for path in askers:
        try:
            if stem in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def _part_version(taken: Path, main: Path) -> Fact[str]:
    """That of its file name; beside the main library its version is the main one's, which the caller knows."""
    if taken.parent == main.parent:
        return absent("it lies beside the main library", str(taken))
    sibling = next(iter(sorted(taken.parent.glob("libcudnn.so.*.*.*"))), None)
    return by_name(taken) or (by_name(sibling) if sibling else None) or absent("its name tells none", str(taken))
