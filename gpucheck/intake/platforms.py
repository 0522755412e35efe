"""Operating system, kernel and processor by the sentences that Python's `platform` and os-release write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gpucheck.facts import absent, seen

if TYPE_CHECKING:
    from gpucheck.facts import Fact

MACHINES = r"(x86_64|aarch64|arm64|ppc64le|s390x|riscv64|armv7l|i686|AMD64|ARM64)"
LINUX = re.compile(rf"Linux-(\S{{1,120}}?)-{MACHINES}-with-?(\S{{0,80}})")
# ID of os-release(5) by the start of PRETTY_NAME, and how many parts its VERSION_ID has.
DISTRIBUTIONS = (
    ("Ubuntu", "ubuntu", 2), ("Debian", "debian", 1), ("CentOS", "centos", 1), ("Fedora", "fedora", 1),
    ("Red Hat Enterprise Linux", "rhel", 2), ("Rocky Linux", "rocky", 2), ("AlmaLinux", "almalinux", 2),
    ("Oracle Linux", "ol", 2), ("Amazon Linux", "amzn", 1), ("openSUSE Leap", "opensuse-leap", 2),
    ("openSUSE Tumbleweed", "opensuse-tumbleweed", 1), ("SUSE Linux Enterprise", "sles", 2),
    ("Arch Linux", "arch", 0), ("Manjaro", "manjaro", 0), ("Linux Mint", "linuxmint", 2), ("Pop!_OS", "pop", 2),
    ("Alpine Linux", "alpine", 2), ("Gentoo", "gentoo", 0), ("NixOS", "nixos", 2), ("Kali", "kali", 2),
)  # fmt: skip


def by_platform(text: str, source: str) -> dict[str, Any]:
    """Return what ``platform.platform()`` tells of the system, e.g. ``Linux-6.8.0-x86_64-with-glibc2.39``."""
    if text.startswith("Linux-"):
        return {"os": seen("linux", source, text), **_linux(text, source)}
    name = next((name for start, name in STARTS.items() if text.startswith(start)), None)
    if name is None:
        return {}
    known: dict[str, Any] = {"os": seen(name, source, text), "wsl": seen(False, source)}
    machine = re.search(rf"-{MACHINES}-", text)
    if name == "macos" and machine is not None:
        known["machine"] = seen(machine[1], source)
    return known


STARTS = {"Windows": "windows", "macOS": "macos", "Darwin": "macos"}


def _linux(text: str, source: str) -> dict[str, Any]:
    """A sentence that is cut off before the processor may lack the mark of WSL as well."""
    found = LINUX.match(text)
    if found is None:
        return {"wsl": seen(True, source)} if "microsoft" in text.lower() else {}
    return {"kernel": seen(found[1], source), "machine": seen(found[2], source), "wsl": wsl(found[1], source)}


def wsl(release: str, source: str) -> Fact[bool]:
    """WSL's kernels are Microsoft's and say so in their release."""
    return seen("microsoft" in release.lower(), source)


def glibc(libc: str | None, platform: str | None, python: str | None, source: str) -> Fact[str] | None:
    """Return the C library's version, or None where the texts do not tell it.

    Up to Python 3.7 ``platform.libc_ver()``, and up to 3.8 ``platform.platform()``, tell what the interpreter
    was linked for (bpo-35389): 2.10 on a system with 2.31.
    """
    minor = re.match(r"3\.(\d{1,2})(?!\d)", python or "")
    own = re.match(r"glibc-(\d\.\d{1,2})(?!\d)", libc or "")
    if own is not None and minor is not None and int(minor[1]) >= 8:
        return seen(own[1], source)
    beside = re.search(r"-with-glibc(\d\.\d{1,2})$", platform or "")
    if beside is not None and minor is not None and int(minor[1]) >= 9:
        return seen(beside[1], source)
    if own is not None or beside is not None:
        return absent(f"Python {python or 'of unknown version'} tells what it was linked for", source, libc)
    return None


def by_description(text: str, source: str) -> dict[str, Any]:
    """Return what a description, e.g. ``Ubuntu 22.04.4 LTS (x86_64)``, tells of the system."""
    machine = re.search(rf"\({MACHINES}\)$", text)
    known: dict[str, Any] = {"machine": seen(machine[1], source)} if machine else {}
    if re.search(r"\bWindows\b", text):
        return {**known, "os": seen("windows", source, text), "wsl": seen(False, source)}
    if re.match(r"(?i)mac ?os", text):
        return {**known, "os": seen("macos", source, text), "wsl": seen(False, source)}
    name = distribution(text)
    if name is not None:
        known["distribution"] = seen(name, source, text)
    elif machine is not None and not text.startswith("linux "):
        known["distribution"] = absent("gpucheck does not know its name", source, text)
    return {**known, "os": seen("linux", source, text)} if name or machine else known


def distribution(text: str) -> str | None:
    """Return a Linux distribution as os-release names it, e.g. ``ubuntu 22.04``."""
    for start, name, parts in DISTRIBUTIONS:
        if not text.lower().startswith(start.lower()):
            continue
        found = re.search(r"\b(\d{1,4})(?:\.(\d{1,4})| SP(\d))?", text[len(start) :][:60])
        if found is None or parts == 0:
            return name
        rest = found[2] or found[3]
        return f"{name} {found[1]}" + (f".{rest}" if parts > 1 and rest else "")
    return None
