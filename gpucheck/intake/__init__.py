"""Reads what was pasted or sent: our own JSON, other tools' reports, logs, or all of them mixed, into Facts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.facts import Driver, Facts, seen
from gpucheck.intake import (
    collect_env,
    diagnostics,
    lspci,
    own,
    package_lists,
    smi_list,
    smi_query,
    smi_table,
    smi_xml,
    tf_env,
)
from gpucheck.intake.merging import joined
from gpucheck.intake.own import IntakeError
from gpucheck.messages import Excerpt, NotText, cleaned, decode, recognise, stripped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.messages import Known

__all__ = ["IntakeError", "joined", "read", "read_text"]

# The most exact first: where two reports of one machine differ, the earlier one counts.
READERS = {
    "nvidia-smi -q -x": smi_xml,
    "nvidia-smi -q": smi_query,
    "nvidia-smi": smi_table,
    "nvidia-smi -L": smi_list,
    "lspci": lspci,
    "collect_env": collect_env,
    "tf_env_collect.sh": tf_env,
    "list of packages": package_lists,
    "hardware diagnostics": diagnostics,
}
# Says in a list of reports that only lines which may tell something were looked at.
EXCERPT = "the telling lines"
# Lines of the kernel's log on the driver and its module; as in the probe, the last ones are kept.
KERNEL = ("NVRM:", "nvidia: module", "nvidia-nvlink", "Lockdown:", "Loading of unsigned module")
KERNEL_LOG = "the kernel's log"
MOST_KERNEL_LINES = 200


def read(content: bytes | Excerpt, name: str, known: Iterable[Known]) -> Facts:
    """Read a file or a stream of any kind.

    Args:
        content: Its bytes, or what `gpucheck.messages.excerpt` has kept of it.
        name: Where it comes from, for messages.
        known: Rows of known messages.

    Raises:
        IntakeError: It is empty, no text, or a report of ours that cannot be read.
    """
    kept = content if isinstance(content, Excerpt) else Excerpt(content=content, size=len(content), complete=True)
    try:
        text = decode(kept.content)
    except NotText as error:
        raise IntakeError(f"{name}: {error}") from None
    facts = read_text(text, name, known)
    if kept.complete or not facts.reports:
        return facts
    # Lines are missing between those that were kept: their numbers would mislead.
    messages = tuple(replace(message, number=0) for message in facts.messages)
    return replace(facts, messages=messages, reports=(*facts.reports, f"{EXCERPT} of {kept.size >> 20} MB"))


def read_text(text: str, name: str, known: Iterable[Known]) -> Facts:
    """Read a text of any kind: the parts are told by what stands in them, and judged together.

    Args:
        text: What was pasted.
        name: Where it comes from, for messages.
        known: Rows of known messages.

    Raises:
        IntakeError: It is empty, or a report of ours that cannot be read.
    """
    if not text.strip():
        raise IntakeError(f"{name}: is empty")
    facts = own.read(text, name)
    if facts is not None:
        return facts
    whole_lines = cleaned(text)
    lines = [stripped(line, indented=True) for line in whole_lines]
    plain = "\n".join(lines)
    parts = {label: facts for label, reader in READERS.items() if (facts := reader.read(plain)) is not None}
    if (logged := _kernel(whole_lines)) is not None:
        parts[KERNEL_LOG] = logged
    whole = joined(parts.values())
    found = recognise(text, known)
    return replace(whole, reports=(*parts, "log" if found else "text"), messages=found)


def _kernel(lines: list[str]) -> Facts | None:
    told = tuple(line.strip() for line in lines if any(word in line for word in KERNEL))
    if not told:
        return None
    return Facts(driver=Driver(kernel_messages=seen(told[-MOST_KERNEL_LINES:], f"{KERNEL_LOG} in the text")))
