"""Which CUDA libraries are taken: as gpucheck reports it, and as the real loader does it with the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import clean_environment, library

from gpucheck import probe
from gpucheck.facts import Framework

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the rules are those of ld.so(8)")
ASK = "#include <dlfcn.h>\nint ask(const char *name) { return dlopen(name, RTLD_NOW) != 0; }\n"
# Loads libraries, lets each of them open others by name, and prints what is mapped.
LOAD = """
import ctypes, json, sys
for path, names in json.loads(sys.argv[1]):
    asker = ctypes.CDLL(path)
    for name in names:
        asker.ask(name.encode())
with open("/proc/self/maps") as maps:
    print(*{line.split(None, 5)[5].strip() for line in maps if ".so" in line}, sep="\\n")
"""
TORCH_RPATH = "$ORIGIN/../../nvidia/cudnn/lib:$ORIGIN"
TF_RUNPATH = ":".join(f"$ORIGIN/../nvidia/{name}/lib" for name in ("cudnn", "cuda_runtime", "cublas", "cufft"))


def reported(stand_in, name: str, environ: dict[str, str] | None = None, root: Path = Path("/")) -> Framework:
    facts = probe.gather(str(stand_in.python), environ=environ or {}, root=root, deadline=60)
    assert [run.error for run in facts.probes if run.error] == []
    return facts.framework(name)


def mapped(*steps: tuple[Path, list[str]], environ: dict[str, str] | None = None) -> set[str]:
    """The libraries that the real loader maps."""
    asked = json.dumps([[str(path), names] for path, names in steps])
    done = subprocess.run(
        [sys.executable, "-c", LOAD, asked], capture_output=True, text=True, check=True,
        env=clean_environment(**(environ or {})),
    )  # fmt: skip
    return set(done.stdout.splitlines())


def taken(framework: Framework, soname: str) -> str | None:
    """The file that gpucheck reports for a soname."""
    (one,) = (item.taken for item in framework.libraries.value if item.soname == soname)
    return one.value.path if one.value is not None else None


def version(framework: Framework, soname: str):
    (one,) = (item.taken.value.version for item in framework.libraries.value if item.soname == soname)
    return one


def parts(framework: Framework) -> dict[str, str]:
    return {Path(one.path).name: one.path for one in framework.cudnn_parts.value}


def torch(stand_in, *needed: str, rpath: str = TORCH_RPATH) -> Path:
    stand_in.torch()
    return library(stand_in.site / "torch/lib/libtorch_cuda.so", needed=needed or ("libcudnn.so.9",), rpath=rpath)


def tensorflow(stand_in, *requirements: str) -> Path:
    stand_in.tensorflow(requirements=requirements)
    return library(stand_in.site / "tensorflow/libtensorflow_framework.so.2", runpath=TF_RUNPATH, code=ASK)


def cudnn(path: Path, number: int = 92000, **tags: str) -> Path:
    return library(path, code=f"{ASK}unsigned long cudnnGetVersion() {{ return {number}; }}", **tags)


def test_torchs_rpath_comes_before_the_users_folders(stand_in, tmp_path: Path) -> None:
    asker = torch(stand_in)
    own = cudnn(stand_in.site / "nvidia/cudnn/lib/libcudnn.so.9")
    foreign = cudnn(tmp_path / "foreign/libcudnn.so.9", 91002)
    environ = {"LD_LIBRARY_PATH": str(foreign.parent)}
    found = reported(stand_in, "torch", environ)
    assert found.cudnn_loaded.value.path == taken(found, "libcudnn.so.9") == str(own)
    assert found.cudnn_loaded.value.version.value == "9.20.0"
    real = mapped((asker, []), environ=environ)
    assert str(own) in real
    assert str(foreign) not in real


def test_what_torchs_rpath_does_not_hold_the_users_folders_give(stand_in, tmp_path: Path) -> None:
    asker = torch(stand_in)
    foreign = cudnn(tmp_path / "foreign/libcudnn.so.9", 91002)
    environ = {"LD_LIBRARY_PATH": f"{tmp_path}/empty:{foreign.parent}/"}
    found = reported(stand_in, "torch", environ)
    assert found.cudnn_loaded.value.path == str(foreign)
    assert found.cudnn_loaded.value.version.value == "9.10.2"
    assert str(foreign) in mapped((asker, []), environ=environ)


def test_the_users_folders_come_before_tensorflows_runpath(stand_in, tmp_path: Path) -> None:
    asker = tensorflow(stand_in, "nvidia-cudnn-cu12<10.0,>=9.3.0.75 ; extra == 'and-cuda'")
    own = cudnn(stand_in.site / "nvidia/cudnn/lib/libcudnn.so.9")
    foreign = cudnn(tmp_path / "foreign/libcudnn.so.9", 91002)
    for environ, first in (({"LD_LIBRARY_PATH": str(foreign.parent)}, foreign), ({}, own)):
        found = reported(stand_in, "tensorflow", environ)
        assert found.cudnn_loaded.value.path == str(first)
        real = mapped((asker, ["libcudnn.so.9"]), environ=environ)
        assert {str(own), str(foreign)} & real == {str(first)}
    shadowed = reported(stand_in, "tensorflow", {"LD_LIBRARY_PATH": str(foreign.parent)}).cudnn_loaded.value
    assert shadowed.shadows == (str(own),)


def test_the_loaders_cache_comes_last(stand_in, tmp_path: Path) -> None:
    tensorflow(stand_in, "nvidia-cudnn-cu12<10.0,>=9.3.0.75 ; extra == 'and-cuda'")
    root = tmp_path / "root"
    cached = cudnn(root / "opt/cuda/lib64/libcudnn.so.9", 91002)
    (root / "etc").mkdir()
    (root / "etc/ld.so.cache").write_bytes(b"glibc-ld.so.cache1.1\0libcudnn.so.9\0/opt/cuda/lib64/libcudnn.so.9\0")
    own = cudnn(stand_in.site / "nvidia/cudnn/lib/libcudnn.so.9")
    found = reported(stand_in, "tensorflow", root=root).cudnn_loaded.value
    assert (found.path, found.shadows) == (str(own), (str(cached),))
    own.unlink()
    assert reported(stand_in, "tensorflow", root=root).cudnn_loaded.value.path == str(cached)


def test_a_package_installed_between_two_looks_is_seen(stand_in) -> None:
    tensorflow(stand_in, "nvidia-cudnn-cu12<10.0,>=9.3.0.75 ; extra == 'and-cuda'")
    assert taken(reported(stand_in, "tensorflow"), "libcudnn.so.9") is None
    own = cudnn(stand_in.site / "nvidia/cudnn/lib/libcudnn.so.9")
    assert taken(reported(stand_in, "tensorflow"), "libcudnn.so.9") == str(own)


def test_a_cache_that_ldconfig_wrote_is_understood(stand_in, tmp_path: Path) -> None:
    torch(stand_in)
    root = tmp_path / "root"
    cached = cudnn(root / "opt/cuda/lib64/libcudnn.so.9")
    (root / "etc").mkdir()
    (root / "etc/ld.so.conf").write_text("/opt/cuda/lib64\n")
    try:
        subprocess.run(["/sbin/ldconfig", "-r", root], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("ldconfig -r needs root's rights")
    assert reported(stand_in, "torch", root=root).cudnn_loaded.value.path == str(cached)


def test_a_library_for_another_processor_is_passed_over(stand_in, tmp_path: Path) -> None:
    asker = torch(stand_in)
    foreign = cudnn(tmp_path / "foreign/libcudnn.so.9")
    content = bytearray((tmp_path / "foreign/libcudnn.so.9").read_bytes())
    content[4] = 1  # ELFCLASS32
    (tmp_path / "narrow").mkdir()
    (tmp_path / "narrow/libcudnn.so.9").write_bytes(content)
    environ = {"LD_LIBRARY_PATH": f"{tmp_path}/narrow:{foreign.parent}"}
    assert str(foreign) in mapped((asker, []), environ=environ)
    assert reported(stand_in, "torch", environ).cudnn_loaded.value.path == str(foreign)


def test_a_package_folder_that_is_a_link_is_followed_as_the_loader_does(stand_in, tmp_path: Path) -> None:
    torch(stand_in)
    (tmp_path / "store").mkdir()
    (stand_in.site / "torch").rename(tmp_path / "store/torch")
    (stand_in.site / "torch").symlink_to(tmp_path / "store/torch")
    stored = cudnn(tmp_path / "store/nvidia/cudnn/lib/libcudnn.so.9")
    cudnn(stand_in.site / "nvidia/cudnn/lib/libcudnn.so.9", 91002)
    assert str(stored) in mapped((stand_in.site / "torch/lib/libtorch_cuda.so", []))
    found = reported(stand_in, "torch").cudnn_loaded.value
    assert os.path.realpath(found.path) == str(stored)


# What the graph library opens, and names in its binary.
OPENED = ["libcudnn_heuristic.so.9", "libcudnn_engines_precompiled.so.9"]


def whole_cudnn(stand_in, *named: str) -> Path:
    """cuDNN as NVIDIA's package has it; the graph library names some sub-libraries more."""
    folder = stand_in.site / "nvidia/cudnn/lib"
    cudnn(folder / "libcudnn.so.9", rpath="$ORIGIN")
    names = " ".join(name.partition(".so")[0] for name in (*OPENED, *named))
    library(folder / "libcudnn_graph.so.9", runpath="$ORIGIN", code=f'{ASK}const char named[] = "{names}";')
    for name in (*OPENED, "libcudnn_ops.so.9"):
        library(folder / name)
    return folder


def opened(stand_in, asker: Path, environ: dict[str, str], *named: str) -> set[str]:
    """What the real loader maps when cuDNN opens its sub-libraries."""
    folder = stand_in.site / "nvidia/cudnn/lib"
    main = (folder / "libcudnn.so.9", ["libcudnn_graph.so.9", "libcudnn_ops.so.9"])
    return mapped((asker, []), main, (folder / "libcudnn_graph.so.9", [*OPENED, *named]), environ=environ)


def test_cudnns_parts_lie_beside_it(stand_in) -> None:
    asker, folder = torch(stand_in), whole_cudnn(stand_in)
    found = parts(reported(stand_in, "torch"))
    assert set(found) == {*OPENED, "libcudnn_graph.so.9", "libcudnn_ops.so.9"}
    assert {Path(path).parent for path in found.values()} == {folder}
    assert set(found.values()) <= opened(stand_in, asker, {})


def test_a_foreign_part_that_cudnn_names_is_taken_with_its_own_version(stand_in, tmp_path: Path) -> None:
    name = "libcudnn_engines_tensor_ir.so.9"
    asker, _ = torch(stand_in), whole_cudnn(stand_in, name)
    foreign = library(tmp_path / "foreign" / name)
    real_name = foreign.rename(foreign.with_name(f"{name}.23.2"))
    foreign.symlink_to(real_name.name)
    environ = {"LD_LIBRARY_PATH": str(foreign.parent)}
    found = reported(stand_in, "torch", environ)
    (one,) = (part for part in found.cudnn_parts.value if "tensor_ir" in part.path)
    assert (one.path, one.version.value) == (str(foreign), "9.23.2")
    assert str(real_name) in opened(stand_in, asker, environ, name)


def test_a_foreign_part_that_cudnn_does_not_name_is_none_of_its_own(stand_in, tmp_path: Path) -> None:
    torch(stand_in)
    whole_cudnn(stand_in)
    foreign = library(tmp_path / "foreign/libcudnn_engines_tensor_ir.so.9")
    found = parts(reported(stand_in, "torch", {"LD_LIBRARY_PATH": str(foreign.parent)}))
    assert foreign.name not in found
    assert len(found) == 4


@pytest.mark.parametrize(
    ("name", "shadowed"),
    [
        ("libcudnn_graph.so.9", False),  # opened by the main library, which has an RPATH
        ("libcudnn_ops.so.9", False),
        ("libcudnn_heuristic.so.9", True),  # opened by the graph library, which has a RUNPATH
        ("libcudnn_engines_precompiled.so.9", True),
    ],
)
def test_a_foreign_part_shadows_what_a_runpath_asks_for(
    stand_in, tmp_path: Path, name: str, shadowed: bool
) -> None:
    asker, folder = torch(stand_in), whole_cudnn(stand_in)
    foreign = library(tmp_path / "foreign" / name, code=ASK)
    environ = {"LD_LIBRARY_PATH": str(foreign.parent)}
    expected = str(foreign if shadowed else folder / name)
    assert parts(reported(stand_in, "torch", environ))[name] == expected
    assert {str(foreign), str(folder / name)} & opened(stand_in, asker, environ) == {expected}


def test_a_cudnn_without_folders_of_its_own_searches_those_of_torch(stand_in, tmp_path: Path) -> None:
    asker = torch(stand_in)
    own = cudnn(stand_in.site / "nvidia/cudnn/lib/libcudnn.so.9")
    part = library(own.with_name("libcudnn_graph.so.9"))
    foreign = library(tmp_path / "foreign/libcudnn_graph.so.9")
    environ = {"LD_LIBRARY_PATH": str(foreign.parent)}
    assert parts(reported(stand_in, "torch", environ)) == {"libcudnn_graph.so.9": str(part)}
    assert str(part) in mapped((asker, []), (own, [part.name]), environ=environ)


NUMBERS = {
    "libcudart.so.12": "int cudaRuntimeGetVersion(int *number) { *number = 12090; return 0; }",
    "libnccl.so.2": "int ncclGetVersion(int *number) { *number = 23203; return 0; }",
    "libcudnn.so.9": "unsigned long cudnnGetVersion() { return 92000; }",
}
TOLD = {"libcudart.so.12": "12.9", "libnccl.so.2": "2.32.3", "libcudnn.so.9": "9.20.0"}


def telling(stand_in, codes: dict[str, str]) -> Framework:
    torch(stand_in, *codes)
    for name, code in codes.items():
        library(stand_in.site / "nvidia/cudnn/lib" / name, code=code)
    return reported(stand_in, "torch")


def test_libraries_tell_their_versions_themselves(stand_in) -> None:
    found = telling(stand_in, NUMBERS)
    assert {name: version(found, name).value for name in NUMBERS} == TOLD
    assert version(found, "libcudnn.so.9").source == "cudnnGetVersion"


@pytest.mark.parametrize("crashing", list(NUMBERS))
def test_a_library_that_crashes_is_told_so_and_the_others_answers_stay(stand_in, crashing: str) -> None:
    crash = "#include <stdlib.h>\n__attribute__((constructor)) void start() { abort(); }\n"
    found = telling(stand_in, {**NUMBERS, crashing: crash})
    assert "SIGABRT" in version(found, crashing).missing
    others = set(NUMBERS) - {crashing}
    assert {name: version(found, name).value for name in others} == {name: TOLD[name] for name in others}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("int nothing;", "cudaRuntimeGetVersion"),
        ("int cudaRuntimeGetVersion(int *number) { return 35; }", "cudaRuntimeGetVersion answers 35"),
        ("int absent(); int cudaRuntimeGetVersion(int *number) { return absent(); }", "undefined symbol"),
    ],
)
def test_a_library_that_does_not_tell_has_a_reason(stand_in, code: str, words: str) -> None:
    found = version(telling(stand_in, {"libcudart.so.12": code}), "libcudart.so.12")
    assert found.value is None
    assert words in found.missing


@pytest.mark.parametrize(
    ("requirement", "sonames"),
    [
        ('nvidia-cufft-cu12<12.0,>=11.2.3.61 ; extra == "and-cuda"', ["libcufft.so.11"]),
        ('nvidia-cufft-cu12<12.0,>=11.2.3.61; extra == "and-cuda"', ["libcufft.so.11"]),
        ('nvidia-cudnn-cu11==8.7.0.84 ; extra == "and-cuda"', ["libcudnn.so.8"]),
        ('nvidia-cuda-runtime-cu11==11.8.89 ; extra == "and-cuda"', ["libcudart.so.11.0"]),
        ('nvidia-cuda-runtime-cu12<13.0,>=12.5.82 ; extra == "and-cuda"', ["libcudart.so.12"]),
        ('nvidia-cublas-cu12 (==12.3.4.1) ; extra == "and-cuda"', ["libcublas.so.12", "libcublasLt.so.12"]),
        ('nvidia-cusolver-cu12<12.0,>=11.6.3.83 ; extra == "and-cuda"', ["libcusolver.so.11"]),
        ('nvidia-cuda-nvcc-cu12<13.0,>=12.5.82 ; extra == "and-cuda"', ["libcudnn.so.9"]),  # by build_info alone
        ("numpy<2.2.0,>=1.26.0", ["libcudnn.so.9"]),
    ],
)
def test_what_tensorflow_opens_follows_from_its_requirements(
    stand_in, requirement: str, sonames: list[str]
) -> None:
    tensorflow(stand_in, requirement)
    found = reported(stand_in, "tensorflow")
    assert [one.soname for one in found.libraries.value] == sonames


def test_a_package_that_the_runpath_does_not_reach_is_shipped_and_not_taken(stand_in) -> None:
    asker = tensorflow(
        stand_in,
        'nvidia-cusolver-cu12<12.0,>=11.6.3.83 ; extra == "and-cuda"',
        'nvidia-cufft-cu12<12.0,>=11.2.3.61 ; extra == "and-cuda"',
    )
    solver = library(stand_in.site / "nvidia/cusolver/lib/libcusolver.so.11")
    fft = library(stand_in.site / "nvidia/cufft/lib/libcufft.so.11")
    found = {one.soname: one for one in reported(stand_in, "tensorflow").libraries.value}
    assert "in none of the folders" in found["libcusolver.so.11"].taken.missing
    assert found["libcusolver.so.11"].shipped.path == str(solver)
    assert found["libcufft.so.11"].taken.value.path == str(fft)
    real = mapped((asker, ["libcusolver.so.11", "libcufft.so.11"]))
    assert (str(solver) in real, str(fft) in real) == (False, True)


def test_torch_finds_by_itself_what_the_loader_does_not(stand_in) -> None:
    torch(stand_in, "libcusparseLt.so.0")
    shipped = library(stand_in.site / "nvidia/cusparselt/lib/libcusparseLt.so.0")
    assert taken(reported(stand_in, "torch"), "libcusparseLt.so.0") == str(shipped)


@pytest.mark.parametrize("content", [None, b"", b"not a library"], ids=["not there", "empty", "no library"])
def test_without_torchs_cuda_library_nothing_is_claimed(stand_in, content: bytes | None) -> None:
    path = torch(stand_in)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    found = reported(stand_in, "torch")
    assert found.libraries.value is None
    assert str(path) in found.libraries.missing
    assert found.cudnn_loaded.missing == found.cudnn_parts.missing == found.libraries.missing
