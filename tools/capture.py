"""Keeps what a GPU machine says of itself, as test data: ``python tools/capture.py FOLDER``.

Writes our own report, /proc/driver/nvidia and nvidia-smi's forms; serial numbers, UUIDs and the names of
home, user and host are taken out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gpucheck import doctor
from gpucheck.report import document
from gpucheck.report.cleaning import Redactor

COMMANDS = {"nvidia-smi.txt": [], "nvidia-smi-q.txt": ["-q"], "nvidia-smi-q-x.xml": ["-q", "-x"]}
PRIVATE = re.compile(r"(?i)((?:GPU|MIG)-)[0-9a-f-]{36}|((?:serial|serial number)\W+)\d{10,}")


def redact(text: str) -> str:
    """Take out what tells one machine from another."""
    text = PRIVATE.sub(lambda found: f"{found.group(1) or found.group(2)}0000", text)
    return Redactor().text(text)


def main() -> None:
    """Write the capture."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tools/capture.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "doctor.json").write_text(redact(document.render(doctor(), Redactor())), encoding="utf-8")
    version = Path("/proc/driver/nvidia/version")
    if version.exists():
        (folder / "proc-driver-nvidia-version.txt").write_text(redact(version.read_text()), encoding="utf-8")
    program = shutil.which("nvidia-smi")
    for name, arguments in COMMANDS.items() if program else ():
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
        (folder / name).write_text(redact(done.stdout + done.stderr), encoding="utf-8")
    print("\n".join(sorted(path.name for path in folder.iterdir())))


if __name__ == "__main__":
    main()
