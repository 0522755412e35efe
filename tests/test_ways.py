"""Ways out on machines given as facts: what an environment cures there, and what only a person can do."""

from __future__ import annotations

from typing import Any

import pytest
from machine_data import build

from gpucheck.diagnosis import diagnose
from gpucheck.findings import Finding
from gpucheck.fixes import Options, PlanError, plan
from gpucheck.matrix import Matrix

WORKING: dict[str, Any] = {
    "driver": {"module_loaded": True, "nvml_library": "/l/libnvidia-ml.so.1", "cuda_library": "/l/libcuda.so.1",
               "nvml_status": 0, "cuinit_status": 0, "version": "580.159.03", "driver_cuda": "13.0",
               "visible_devices": 1},
    "pci_cards": [{"address": "0000:18:00.0", "vendor": "10de", "device": "2335", "kernel_driver": "nvidia"}],
    "gpus": [{"name": "NVIDIA H100", "pci_address": "00000000:18:00.0", "compute_capability": "9.0"}],
}  # fmt: skip
TENSORFLOW: dict[str, Any] = {
    "name": "tensorflow", "version": "2.20.0", "build": "cuda", "cuda_runtime": "12.5", "cudnn_built": "9.3.0",
    "distribution": "tensorflow 2.20.0", "libdevice": "/x", "ptxas": "/x", "libraries": [],
}  # fmt: skip


def found(slug: str, table: dict[str, Any]) -> tuple[Finding, Any]:
    facts = build({**WORKING, **table})
    report = diagnose(facts, Matrix())
    return next(one for one in report.findings if one.slug == slug), report


def cured(slug: str, table: dict[str, Any]) -> dict[str, str]:
    _, report = found(slug, table)
    environ = dict(report.facts.environment.value)
    return plan(report.facts, report.findings, environ, Options(slugs=(slug,))).environment(environ)


def test_xla_is_shown_the_folder_that_is_here_beside_the_users_own_flags() -> None:
    framework = {**TENSORFLOW, "libdevice": {"missing": "no libdevice"}, "cuda_data_dir": "/usr/local/cuda-12.4"}
    environment = cured(
        "libdevice-missing", {"frameworks": [framework], "environment": {"XLA_FLAGS": "--xla_a=1"}}
    )
    assert environment["XLA_FLAGS"] == "--xla_a=1 --xla_gpu_cuda_data_dir=/usr/local/cuda-12.4"
    finding, _ = found("libdevice-missing", {"frameworks": [{**framework, "cuda_data_dir": {"missing": "none"}}]})
    assert [fix.by for fix in finding.fixes] == [("fix",)]


SYSTEM_CUDNN = {
    "soname": "libcudnn.so.9", "taken": "/usr/lib/libcudnn.so.9 9.1.0",
    "shipped": "/site/nvidia/cudnn/lib/libcudnn.so.9 9.5",
}  # fmt: skip


def mismatch(path: str, table: dict[str, Any]) -> dict[str, Any]:
    """A machine whose TensorFlow loads an older cuDNN from ``path``."""
    return {"frameworks": [{**TENSORFLOW, "cudnn_loaded": f"{path} 9.1.0", "libraries": [SYSTEM_CUDNN]}], **table}


def test_the_wheels_own_cudnn_is_put_first() -> None:
    environment = cured("cudnn-version-mismatch", mismatch("/usr/lib/libcudnn.so.9", {}))
    assert environment["LD_LIBRARY_PATH"] == "/site/nvidia/cudnn/lib"


def test_folders_of_the_driver_stay_on_the_path() -> None:
    table = mismatch("/old/libcudnn.so.9", {"environment": {"LD_LIBRARY_PATH": "/usr/lib/wsl/lib:/old:/l"}})
    assert cured("cudnn-version-mismatch", table)["LD_LIBRARY_PATH"] == "/usr/lib/wsl/lib:/l"


@pytest.mark.parametrize("folder", ["/l", "/usr/lib/wsl/lib"])
def test_a_folder_that_holds_the_driver_too_is_left_to_a_person(folder: str) -> None:
    table = mismatch(f"{folder}/libcudnn.so.9", {"environment": {"LD_LIBRARY_PATH": folder}})
    finding, _ = found("cudnn-version-mismatch", table)
    assert finding.fixes[0].by == ()
    assert "the folder also holds the driver's" in finding.fixes[0].text
    with pytest.raises(PlanError, match="no environment variable cures it"):
        cured("cudnn-version-mismatch", table)


def test_a_cuda_compat_that_does_not_fit_the_card_goes() -> None:
    driver = {**WORKING["driver"], "cuinit_status": 804, "cuda_library": "/compat/libcuda.so.1"}
    facts = build({**WORKING, "driver": driver, "environment": {"LD_LIBRARY_PATH": "/compat:/mine"}})
    from dataclasses import replace

    from gpucheck.facts import seen

    facts = replace(
        facts, driver=replace(facts.driver, cuda_library=seen("/compat/libcuda.so.1", "LD_LIBRARY_PATH"))
    )
    report = diagnose(facts, Matrix())
    slug = "forward-compat-unsupported"
    assert slug in report.root_causes
    environ = dict(facts.environment.value)
    environment = plan(facts, report.findings, environ, Options(slugs=(slug,))).environment(environ)
    assert environment["LD_LIBRARY_PATH"] == "/mine"


@pytest.mark.parametrize(
    ("distribution", "command"),
    [
        ("ubuntu 24.04", "sudo ubuntu-drivers install"),
        ("rocky 9.4", "sudo dnf module enable nvidia-driver:open-dkms"),
        ("almalinux 10.0", "sudo dnf install nvidia-open"),
        ("debian 12", "sudo apt install nvidia-driver"),
        ("arch", "sudo pacman -S nvidia-open"),
    ],
)
def test_the_driver_is_installed_as_this_distribution_does(distribution: str, command: str) -> None:
    table = {"driver": {}, "gpus": {"missing": "no driver"}, "system": {"distribution": distribution}}
    finding, _ = found(
        "driver-missing", {**table, "pci_cards": [{**WORKING["pci_cards"][0], "kernel_driver": ""}]}
    )
    (fix,) = finding.fixes
    assert fix.commands[0] == command
    assert fix.commands[-1] == "sudo reboot"
    assert fix.safety.value == "advice"
    assert "https://" in fix.text


@pytest.mark.parametrize("distribution", ["nixos 25.05", "rocky 7.9"])
def test_no_command_is_invented_for_another_distribution(distribution: str) -> None:
    table = {"driver": {}, "gpus": {"missing": "no driver"}, "system": {"distribution": distribution}}
    finding, _ = found(
        "driver-missing", {**table, "pci_cards": [{**WORKING["pci_cards"][0], "kernel_driver": ""}]}
    )
    assert finding.fixes[0].commands == ()


@pytest.mark.parametrize(
    ("kind", "command"),
    [("venv", "/venv/bin/python -m pip install 'tensorflow[and-cuda]==2.20.0'"),
     ("uv venv", "uv pip install --python /venv/bin/python 'tensorflow[and-cuda]==2.20.0'")],
)  # fmt: skip
def test_packages_by_the_installer_that_the_environment_has(kind: str, command: str) -> None:
    missing = {"missing": "libcudnn.so.9 is in none of the folders that the loader searches"}
    framework = {**TENSORFLOW, "cudnn_loaded": missing, "libraries": [{"soname": "libcublas.so.12"}]}
    finding, _ = found("cuda-library-missing", {"frameworks": [framework], "interpreter": {"kind": kind}})
    assert finding.fixes[0].commands == (command,)
