"""Text from outside made safe to show: no terminal escapes; and private names taken out where asked."""

from __future__ import annotations

import getpass
import re
import socket
from pathlib import Path
from typing import Any

# C0 and C1 controls, DEL, and the marks that turn the direction of text (Unicode UAX 9).
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
COMMON_USERS = {"root", "user", "admin", "ubuntu", "runner", "nobody"}


def clean(text: str) -> str:
    r"""Return one line in which every control character is written out, e.g. ``\x1b``."""
    return CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


class Redactor:
    """Replaces this machine's home folder, user name and host name.

    Library paths stay readable: only the home folder's part of them becomes ``~``.
    """

    def __init__(self, home: str | None = None, user: str | None = None, host: str | None = None) -> None:
        home = home or _home()
        user = user or _user()
        host = host or socket.gethostname()
        self.rules: list[tuple[re.Pattern[str], str]] = []
        if len(home) > 1:
            self.rules.append((re.compile(re.escape(home) + r"(?=$|[/\\:;,'\"\s])"), "~"))
        if len(user) > 2 and user.lower() not in COMMON_USERS:
            self.rules.append((_word(user), "<user>"))
        if len(host) > 2 and host.lower() != "localhost":
            self.rules.append((_word(host), "<host>"))

    def text(self, text: str) -> str:
        """Redact one text."""
        for pattern, replacement in self.rules:
            text = pattern.sub(replacement, text)
        return text

    def document(self, value: Any) -> Any:
        """Redact every text in a JSON document; keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.document(item) for item in value]
        if isinstance(value, dict):
            return {key: self.document(item) for key, item in value.items()}
        return value


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", re.IGNORECASE)


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # no home folder is known
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
