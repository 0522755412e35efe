"""Machines given as facts, and plans on them."""

from __future__ import annotations

from gpucheck.facts import Driver, Facts, Framework, Gpu, System, absent, seen
from gpucheck.fixes import Options, plan

GROWTH, MASK, ORDER = "TF_FORCE_GPU_ALLOW_GROWTH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"


def gpu(index: int, free: int = 80, *, status: int = 0, **facts) -> Gpu:
    told = {"mig": False, "mig_devices": (), "compute_mode": "default", "processes": (), **facts}
    return Gpu(
        index=index,
        status=seen(status, "NVML", None if status == 0 else "GPU is lost"),
        name=seen("NVIDIA H200", "NVML"),
        uuid=seen(f"GPU-{index}aaa", "NVML"),
        memory_free=seen(free << 30, "NVML"),
        **{name: seen(value, "NVML") for name, value in told.items()},
    )


def machine(*gpus: Gpu, tensorflow: str | None = "cuda", torch: str | None = None, scheduler: str = "none", **env):
    build = seen(tensorflow, "x") if tensorflow else absent("x")
    frameworks = (
        Framework(name="torch", installed=seen(torch is not None, "x"), version=seen(torch or "2.13.0", "x")),
        Framework(name="tensorflow", installed=seen(tensorflow is not None, "x"), build=build),
    )
    return Facts(
        gpus=seen(gpus, "NVML"),
        driver=Driver(visible_devices=seen(len(gpus), "cuDeviceGetCount")),
        system=System(os=seen("linux", "x"), wsl=seen(False, "x"), scheduler=seen(scheduler, "x")),
        frameworks=frameworks,
        environment=seen(dict(env), "environment"),
    )


def planned(facts: Facts, environ: dict[str, str] | None = None, findings=(), **options):
    environ = environ if environ is not None else dict(facts.environment.value)
    made = plan(facts, findings, environ, Options(**options))
    return made, made.environment(environ)
