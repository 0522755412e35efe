"""Text from outside made safe to show: no terminal escapes; and private names taken out where asked."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

# C0 and C1 controls, DEL, line separators, what has no width, and the marks that turn the direction of text
# (Unicode UAX 9). Not compiled before it is needed: most texts are printable.
CONTROL = "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
# Names that are no secret, and words that our own reports are made of: nobody is hidden by hiding them.
COMMON = {
    "root", "user", "admin", "ubuntu", "runner", "nobody", "localhost", "nvidia", "cuda", "cudnn", "gpu", "nvml",
    "torch", "pytorch", "tensorflow", "keras", "python", "conda", "linux", "windows", "macos", "wsl", "docker",
    "podman", "kubernetes", "slurm", "driver", "kernel", "library", "version", "system", "environment", "machine",
}  # fmt: skip
# Keys whose values are words of the report's own vocabulary.
VOCABULARY_KEYS = {
    "name", "slug", "severity", "status", "verdict", "family", "subject", "framework", "root_causes", "explains",
    "confidence", "safety", "schema_version", "tool", "os", "build", "backend", "arithmetic",
}  # fmt: skip


def clean(text: str) -> str:
    r"""Return one line in which every control character is written out, e.g. ``\x1b``."""
    if text.isprintable():
        return text
    return re.sub(CONTROL, lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def for_runner(text: str) -> str:
    """Return text in which a workflow's runner sees no command: ``::`` after blanks, and ``##[`` anywhere."""
    return re.sub(r"(?m)^(\s*):(?=:)", r"\1: ", text).replace("##[", "## [")


class Redactor:
    """Replaces this machine's home folder, user name and host name.

    Library paths stay readable: only the home folder's part of them becomes ``~``.
    """

    def __init__(self, home: str | None = None, user: str | None = None, host: str | None = None) -> None:
        home = home or _home()
        user = user or _user()
        host = host or platform.node()
        self.rules: list[tuple[re.Pattern[str], str]] = []
        if len(home) > 1:
            self.rules.append((re.compile(re.escape(home) + r"(?=$|[/\\:;,'\"\s])"), "~"))
        if len(user) > 2 and user.lower() not in COMMON:
            self.rules.append((_word(user), "<user>"))
        if len(host) > 2 and host.lower() not in COMMON:
            self.rules.append((_word(host), "<host>"))
        # Names in pasted texts, which are of other machines: home folders, and what TensorFlow prints of its host.
        common = "|".join(sorted(COMMON))
        folder = rf"(/home/|/Users/|\\Users\\{{1,2}})(?!(?:{common}|<)\b)[^/\\\s:;,'\"<>]{{1,64}}(?=[/\\])"
        self.rules.append((re.compile(folder), r"\1<user>"))
        host = r"((?:information for host|\bhostname): |on this host \()[\w.-]{1,64}"
        self.rules.append((re.compile(host), r"\1<host>"))

    def text(self, text: str) -> str:
        """Redact one text."""
        for pattern, replacement in self.rules:
            text = pattern.sub(replacement, text)
        return text

    def document(self, value: Any) -> Any:
        """Redact the texts in a JSON document; keys and the report's own words stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.document(item) for item in value]
        if isinstance(value, dict):
            return {key: self._item(key, item) for key, item in value.items()}
        return value

    def _item(self, key: str, value: Any) -> Any:
        """Redact what stands under a key; of a fact whose value is a word of ours, all but the value."""
        if key not in VOCABULARY_KEYS:
            return self.document(value)
        if isinstance(value, dict):
            return {name: item if name == "value" else self.document(item) for name, item in value.items()}
        return value


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", re.IGNORECASE)


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # no home folder is known
        return ""


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
