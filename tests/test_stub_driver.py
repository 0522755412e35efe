"""The installed program with real pynvml on the stub driver: what a user would see on such machines."""

from __future__ import annotations

import pytest

JSON = ("doctor", "--format", "json")


def slugs(report: dict, *severities: str) -> list[str]:
    return [finding["slug"] for finding in report["findings"] if finding["severity"] in severities]


def test_two_healthy_gpus_without_a_framework(gpucheck, stub, stand_in) -> None:
    report = gpucheck(*JSON, "--python", stand_in.python, env=stub()).report
    assert report["verdict"] == "healthy"
    assert slugs(report, "error", "warn") == []
    assert "simulated-driver" in slugs(report, "info")
    gpus = report["facts"]["gpus"]["value"]
    assert [gpu["name"]["value"] for gpu in gpus] == ["NVIDIA H200", "NVIDIA H200"]
    assert gpus[0]["compute_capability"]["value"] == "9.0"
    assert gpus[1]["memory_free"]["value"] < gpus[0]["memory_free"]["value"]
    driver = report["facts"]["driver"]
    assert (driver["version"]["value"], driver["driver_cuda"]["value"]) == ("580.159.03", "13.0")
    assert driver["visible_devices"]["value"] == 2


@pytest.mark.parametrize("name", ["torch", "tensorflow"])
def test_two_healthy_gpus_with_a_cuda_build(gpucheck, stub, stand_in, name: str) -> None:
    getattr(stand_in, name)().cudnn()
    report = gpucheck(*JSON, "--python", stand_in.python, env=without_stub_cudnn(stub())).report
    assert slugs(report, "error", "warn") == []
    assert report["exit_status"] == 0
    checks = {(check["name"], check["subject"]): check["status"] for check in report["checks"]}
    assert checks["driver-supports-runtime", name] == "pass"
    assert checks["gpu-in-arch-list", f"{name} on GPU 0"] == "pass"
    assert checks["cudnn-loaded-as-built", name] == "pass"


def without_stub_cudnn(environment: dict[str, str]) -> dict[str, str]:
    """The stub's cuDNN says 9.28 unless told otherwise: newer than both builds, so it may stay."""
    return {**environment, "GPUSIM_CUDNN": "92800"}


def test_driver_470_under_cuda_12(gpucheck, stub, stand_in) -> None:
    stand_in.tensorflow()
    env = stub("system.driver_version=470.256.02", "system.cuda_driver_version=11040", GPUSIM_CUDA_DRIVER="11040")
    report = gpucheck(*JSON, "--python", stand_in.python, env=env).report
    assert report["root_causes"] == ["driver-too-old"]
    assert report["exit_status"] == 1
    finding = report["findings"][0]
    assert "525.60.13" in finding["cause"]
    assert "docs.nvidia.com" in finding["source"]


def test_libraries_and_kernel_module_differ(gpucheck, stub, stand_in) -> None:
    ran = gpucheck(*JSON, "--python", stand_in.python, env=stub("fail.nvmlInit=18", GPUSIM_CUINIT="803"))
    assert ran.report["root_causes"] == ["driver-library-mismatch"]
    assert ran.status == 1


@pytest.mark.parametrize("fault", ["gpu.1.fail.*=15", "gpu.1.fail.handle=15", "gpu.1.fail.nvmlDeviceGetName=15"])
def test_a_lost_gpu(gpucheck, stub, stand_in, fault: str) -> None:
    report = gpucheck(*JSON, "--python", stand_in.python, env=stub(fault)).report
    assert report["root_causes"] == ["gpu-lost"]
    assert [finding["subject"] for finding in report["findings"] if finding["slug"] == "gpu-lost"] == ["GPU 1"]


@pytest.mark.parametrize("mask", ["-1", "", "0,0", "7"])
def test_a_mask_that_hides_all(gpucheck, stub, stand_in, mask: str) -> None:
    report = gpucheck(*JSON, "--python", stand_in.python, env=stub(CUDA_VISIBLE_DEVICES=mask)).report
    assert report["root_causes"] == ["visible-devices-hides-gpu"]
    assert report["facts"]["driver"]["visible_devices"]["value"] == 0


@pytest.mark.parametrize(("mask", "count"), [("0,5,1", 1), ("1,0", 2), ("GPU-00000002", 1)])
def test_cuda_counts_what_we_say_is_visible(gpucheck, stub, stand_in, mask: str, count: int) -> None:
    report = gpucheck(*JSON, "--python", stand_in.python, env=stub(CUDA_VISIBLE_DEVICES=mask)).report
    assert report["facts"]["driver"]["visible_devices"]["value"] == count
    assert report["root_causes"] == (["visible-devices-truncated"] if mask == "0,5,1" else [])


def test_the_old_cudnn_of_the_famous_message(gpucheck, stub, stand_in) -> None:
    stand_in.tensorflow()
    report = gpucheck(*JSON, "--python", stand_in.python, env=stub(GPUSIM_CUDNN="7104")).report
    assert report["root_causes"] == ["cudnn-version-mismatch"]
    assert "built with cuDNN 9.3.0 but loads 7.1.4" in report["findings"][0]["title"]


@pytest.mark.parametrize(("code", "slug"), [("999", "cuinit-unknown-error"), ("802", "fabric-manager"),
                                            ("804", "forward-compat-unsupported")])  # fmt: skip
def test_cuda_that_does_not_start(gpucheck, stub, stand_in, code: str, slug: str) -> None:
    report = gpucheck(*JSON, "--python", stand_in.python, env=stub(GPUSIM_CUINIT=code)).report
    assert report["root_causes"] == [slug]


def test_an_nvml_error_that_we_do_not_know_is_inconclusive(gpucheck, stub, stand_in) -> None:
    ran = gpucheck(*JSON, "--python", stand_in.python, env=stub("fail.nvmlInit=12345", GPUSIM_CUINIT="12345"))
    assert (ran.report["verdict"], ran.status) == ("inconclusive", 3)


@pytest.mark.parametrize(("demand", "status"), [("gpu>=2", 0), ("gpu>=3", 1), ("gpu==2", 0)])
def test_demands(gpucheck, stub, stand_in, demand: str, status: int) -> None:
    ran = gpucheck("doctor", "--python", stand_in.python, "--require", demand, env=stub())
    assert ran.status == status


def test_a_gpu_that_the_mask_hides_does_not_count(gpucheck, stub, stand_in) -> None:
    env = stub(CUDA_VISIBLE_DEVICES="0")
    assert gpucheck("doctor", "--python", stand_in.python, "--require", "gpu>=2", env=env).status == 1


@pytest.mark.parametrize(
    ("mask", "words"),
    [("0", "Healthy: 1 of 2 GPUs (simulated) ready"), ("0,7", "1 of 2 GPUs (simulated) ready")],
)
def test_the_headline_counts_what_is_visible(gpucheck, stub, stand_in, mask: str, words: str) -> None:
    out = gpucheck("doctor", "--python", stand_in.python, env=stub(CUDA_VISIBLE_DEVICES=mask)).out
    assert words in out.splitlines()[0]


def test_a_job_without_a_gpu_is_not_called_ready(gpucheck, stub, stand_in) -> None:
    env = stub(CUDA_VISIBLE_DEVICES="", SLURM_JOB_ID="3")
    ran = gpucheck("doctor", "--python", stand_in.python, env=env)
    assert ran.status == 0
    assert "no GPU (simulated) is visible here" in ran.out.splitlines()[0]


def test_the_screen_names_the_stub(gpucheck, stub, stand_in) -> None:
    out = gpucheck("doctor", "--python", stand_in.python, env=stub()).out
    assert out.startswith("Healthy: 2 GPUs (simulated) ready for")
    assert "[simulated-driver]" in out


def test_names_from_the_driver_are_shown_as_text(gpucheck, stub, stand_in) -> None:
    env = stub("gpu.*.name=[red]\x1b[31mEvil\x07 [/red] \u202egpu")
    out = gpucheck("doctor", "--python", stand_in.python, "--color", "always", env=env).out
    assert "[red]\\x1b[31mEvil\\x07 [/red] \\u202egpu" in out


def test_a_report_can_be_judged_elsewhere(gpucheck, stub, stand_in, tmp_path) -> None:
    first = gpucheck(*JSON, "--python", stand_in.python, env=stub("gpu.1.fail.*=15"))
    path = tmp_path / "report.json"
    path.write_text(first.out)
    second = gpucheck(*JSON, "--from", path)
    assert second.report["root_causes"] == ["gpu-lost"]
    assert second.report["facts"] == first.report["facts"]


def test_no_device_node_is_made(gpucheck, stub, stand_in) -> None:
    from pathlib import Path

    before = sorted(Path("/dev").glob("nvidia*"))
    gpucheck("doctor", "--python", stand_in.python, env=stub())
    assert sorted(Path("/dev").glob("nvidia*")) == before


@pytest.mark.parametrize("generation", ["real470", "real535"])
def test_older_generations_of_nvml(gpucheck, stub, stand_in, public_folder, generation: str) -> None:
    import subprocess

    from conftest import ROOT

    folder = public_folder / generation
    if not folder.exists():
        subprocess.run(["bash", ROOT / "tests/gpusim/build.sh", folder, generation], check=True)
    report = gpucheck(*JSON, "--python", stand_in.python, env={**stub(), "LD_LIBRARY_PATH": str(folder)}).report
    assert slugs(report, "error", "warn") == []
    assert len(report["facts"]["gpus"]["value"]) == 2


@pytest.mark.parametrize(
    ("lines", "slug", "severity"),
    [
        (("gpu.0.compute_mode=2",), "device-in-use", "error"),
        (("gpu.1.compute_mode=3",), "device-in-use", "error"),  # process 4242 holds GPU 1
        (("gpu.0.ecc.uncorrected.volatile=3",), "uncorrectable-ecc", "warn"),
        (("gpu.0.remap.corr=0", "gpu.0.remap.pending=1"), "uncorrectable-ecc", "warn"),
        (("gpu.0.remap.corr=0", "gpu.0.remap.failure=1"), "uncorrectable-ecc", "error"),
        (("gpu.0.retired_pending=1",), "uncorrectable-ecc", "warn"),
        (("gpu.0.throttle=0x48",), "gpu-throttled", "warn"),
        (("gpu.0.mem.total=644000000", "gpu.0.mem.reserved=630000000"), "gpu-out-of-memory", "warn"),
        (("gpu.0.mig_current=1", "gpu.0.mig_max=7"), "mig-misconfigured", "warn"),
    ],
)
@pytest.mark.parametrize("generation", ["pynvml", "real535"])
def test_gpus_that_are_not_well_or_not_free(
    gpucheck, stub, stand_in, public_folder, generation: str, lines, slug: str, severity: str
) -> None:
    import subprocess

    from conftest import ROOT

    env = stub(*lines)
    if generation != "pynvml":
        folder = public_folder / generation
        if not folder.exists():
            subprocess.run(["bash", ROOT / "tests/gpusim/build.sh", folder, generation], check=True)
            folder.chmod(0o755)
        env["LD_LIBRARY_PATH"] = str(folder)
    report = gpucheck(*JSON, "--python", stand_in.python, env=env).report
    assert report["root_causes"] == [slug]
    assert {one["severity"] for one in report["findings"] if one["slug"] == slug} == {severity}
    assert report["exit_status"] == (1 if severity == "error" else 0)


def test_who_holds_a_gpu_is_named(gpucheck, stub, stand_in) -> None:
    report = gpucheck(*JSON, "--python", stand_in.python, env=stub("gpu.1.compute_mode=3")).report
    (finding,) = [one for one in report["findings"] if one["slug"] == "device-in-use"]
    assert finding["subject"] == "GPU 1"
    assert any("process 4242" in one["text"] and "129.5 GiB" in one["text"] for one in finding["evidence"])
    assert finding["fixes"][0]["commands"] == ["sudo nvidia-smi -i 1 -c DEFAULT"]
