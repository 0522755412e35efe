"""Ways out that several checks offer: an environment, packages, a folder less on the loader's path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import interpreter_path, pip_pin
from gpucheck.findings import Fix, Safety

if TYPE_CHECKING:
    from gpucheck.facts import Facts, Framework
    from gpucheck.matrix import Matrix

LIBRARY_PATH = "LD_LIBRARY_PATH"
WSL_DRIVER = "/usr/lib/wsl/lib"  # Windows' own driver; CUDA on WSL user guide


def by_environment(text: str, environment: dict[str, str], safety: Safety = Safety.ASK) -> Fix:
    """Variables that a program must find when it starts."""
    return Fix(text=text, environment=environment, safety=safety, by=("run", "env", "fix"))


def by_packages(facts: Facts, text: str, *, install: tuple[str, ...] = (), reinstall: tuple[str, ...] = ()) -> Fix:
    """Packages for the interpreter looked at, by the installer that its environment has.

    Args:
        facts: What was seen.
        text: What to do, in a sentence.
        install: Requirements that are installed with what they require.
        reinstall: Requirements that are installed again, alone, before that.
    """
    commands = []
    if reinstall:
        commands.append(_command(facts, reinstall, "--force-reinstall --no-deps "))
    if install:
        commands.append(_command(facts, install))
    return Fix(
        text=text,
        commands=tuple(commands),
        install=install,
        reinstall=reinstall,
        safety=Safety.ASK,
        by=() if facts.described else ("fix",),
    )


def _command(facts: Facts, requirements: tuple[str, ...], options: str = "") -> str:
    words = " ".join(f"'{one}'" for one in requirements)
    if facts.described:
        return f"pip install {options}{words}"
    if facts.interpreter.kind.value == "uv venv":  # it has no pip
        return f"uv pip install --python {_word(interpreter_path(facts))} {options}{words}"
    return f"{_word(interpreter_path(facts))} -m pip install {options}{words}"


def _word(path: str) -> str:
    plain = all(sign.isalnum() or sign in "/._-+~" for sign in path)
    return path if plain else "'" + path.replace("'", "'\"'\"'") + "'"


def with_cuda_libraries(facts: Facts, framework: Framework) -> Fix:
    """The framework at the same version, together with its CUDA libraries."""
    pin = pip_pin(framework)
    text = "Install it together with its CUDA libraries."
    if framework.name == "tensorflow":
        return by_packages(facts, text, install=(f"tensorflow[and-cuda]{pin}",))
    return by_packages(facts, text, install=(f"torch{pin}",), reinstall=(f"torch{pin}",))


def without_folders(facts: Facts, folders: list[str]) -> Fix:
    """Folders taken out of LD_LIBRARY_PATH; what holds the driver stays, and only a person can part the two."""
    names = ", ".join(folders)
    if any(folder.rstrip("/") in driver_folders(facts) for folder in folders):
        return Fix(
            text=f"Take these libraries out of {names}, which LD_LIBRARY_PATH names: the folder also holds the "
            "driver's, so the variable has to keep it."
        )
    before = (facts.environment.value or {}).get(LIBRARY_PATH, "").split(":")
    rest = [part for part in before if part.rstrip("/") not in {folder.rstrip("/") for folder in folders}]
    return by_environment(f"Take {names} out of {LIBRARY_PATH}.", {LIBRARY_PATH: ":".join(rest)})


def driver_install(facts: Facts, matrix: Matrix, text: str) -> Fix:
    """The driver's installation, by the commands of this distribution where they are known."""
    if facts.system.wsl.value:
        return Fix(text=f"{text} In WSL that is the driver of Windows.", systems=("wsl",))
    row = matrix.distribution(facts.system.distribution.value)
    if row is None or facts.described:
        return Fix(text=text, systems=("linux",))
    note = f" ({row.note})" if row.note else ""
    return Fix(
        text=f"{text} {row.name}'s way, {row.url}{note}:",
        commands=(*row.install, "sudo reboot"),
        systems=("linux",),
    )


def without_foreign_libcuda(facts: Facts) -> Fix:
    """The folder of a libcuda that is not the running driver's (cuda-compat) taken out of LD_LIBRARY_PATH."""
    cuda, nvml = facts.driver.cuda_library, facts.driver.nvml_library
    folder = (cuda.value or "").rpartition("/")[0]
    if cuda.source != LIBRARY_PATH or (nvml.value or "").rpartition("/")[0] == folder:
        return Fix(text="Take the folder of that libcuda out of LD_LIBRARY_PATH.", systems=("linux",))
    before = (facts.environment.value or {}).get(LIBRARY_PATH, "").split(":")
    rest = ":".join(part for part in before if part.rstrip("/") != folder)
    return by_environment(f"Take {folder}, where that libcuda lies, out of {LIBRARY_PATH}.", {LIBRARY_PATH: rest})


def with_folders(facts: Facts, text: str, folders: list[str]) -> Fix:
    """Folders put first on LD_LIBRARY_PATH."""
    before = (facts.environment.value or {}).get(LIBRARY_PATH)
    return by_environment(text, {LIBRARY_PATH: ":".join([*folders, *([before] if before else [])])})


def driver_folders(facts: Facts) -> set[str]:
    """Folders from which the driver's own libraries are taken; they never leave LD_LIBRARY_PATH."""
    files = (facts.driver.nvml_library.value, facts.driver.cuda_library.value)
    return {WSL_DRIVER, *(path.rpartition("/")[0] for path in files if path is not None)}
