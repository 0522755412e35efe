"""What a node's process said and how it ended, judged: one whole report with the right name, or what else."""

from __future__ import annotations

import json
import signal
from typing import Any

from gpucheck.children import describe_status
from gpucheck.fleet.contract import pseudonym, unframed
from gpucheck.fleet.launch.states import End, State, about
from gpucheck.fleet.one import DamagedError, Reader
from gpucheck.record import record

NOT_FOUND, CANNOT_RUN, SHELL_SIGNALS = 127, 126, 128
UNDECIDED = 3  # exit status of a report that is inconclusive
SHOWN = 160  # characters of a reason


@record
class Heard:
    """What was heard of one node.

    Attributes:
        out: What came on its stdout.
        err: The end of what came on its stderr.
        status: Its exit status; negative: ended by that signal; None: not known.
        seconds: From start to end.
        timed_out: Whether it was given up.
        limit: The node's deadline, in seconds.
    """

    out: bytes = b""
    err: str = ""
    status: int | None = None
    seconds: float = 0.0
    timed_out: bool = False
    limit: float = 0.0


@record
class Document:
    """One document that came, parsed.

    Attributes:
        sender: The name in its frames.
        raw: As it was sent.
        content: Its content.
    """

    sender: str
    raw: bytes
    content: dict[str, Any]

    def whole_from(self, node: str) -> bool:
        """Whether this is a whole report of a node, which the collector can read."""
        return self.content.get("complete") is True and self.of(node) and self.fault() is None

    def fault(self) -> str | None:
        """Return why the collector could not read what calls itself complete, or None: it could."""
        try:
            Reader().read(self.raw, self.sender, self.sender)
        except DamagedError as error:
            return str(error)
        return None

    def of(self, node: str) -> bool:
        """Whether it names this node, or the node's pseudonym."""
        told = self.content.get("node")
        name = told.get("name") if isinstance(told, dict) else None
        return name in (node, pseudonym(node))


def parse(sender: str, raw: bytes) -> Document | None:
    """Return a document, or None where it is no JSON object."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return Document(sender=sender, raw=raw, content=content) if isinstance(content, dict) else None


def whole(node: str, raw: bytes) -> bool:
    """Whether these bytes are a whole report of a node."""
    found = parse(node, raw)
    return found is not None and found.whole_from(node)


def read(stream: bytes) -> tuple[list[Document], list[tuple[str, str]]]:
    """Return the documents in a stream, and what is wrong with others, each with its sender."""
    documents, faults = [], []
    for sender, what in unframed([stream]):
        found = parse(sender, what) if isinstance(what, bytes) else None
        if found is not None:
            documents.append(found)
        else:
            faults.append((sender, what if isinstance(what, str) else "what it sent is no JSON object"))
    return documents, faults


def judge(node: str, heard: Heard) -> End:
    """Say what became of a node that has a stream of its own."""
    documents, faults = read(heard.out)
    return judged(node, heard, documents, [what for _, what in faults])


def judged(node: str, heard: Heard, documents: list[Document], faults: list[str]) -> End:
    """Say what became of a node.

    Args:
        node: Its name.
        heard: What was heard of it.
        documents: What came in its name, or from its stream.
        faults: What is wrong with other things that came so.
    """
    reports = [one for one in documents if one.whole_from(node)]
    if len(reports) == 1:
        return answered(node, reports[0], heard.seconds)
    if reports:
        return _end(node, heard, State.NO_REPORT, f"{len(reports)} reports instead of one", heard.out)
    told = next((one for one in documents if one.of(node) and "state" in one.content), None)
    if told is not None:
        return _told(node, told, heard)
    return _absent(node, heard, documents, faults)


def answered(node: str, report: Document, seconds: float | None) -> End:
    """Return the end of a node with its report: an exit status of 0 in there is ok, everything else is not."""
    good = report.content.get("exit_status") == 0
    return End(
        node=node,
        state=State.OK if good else State.FAIL,
        reason=about(report.content),
        seconds=seconds,
        report=report.raw,
        undecided=report.content.get("exit_status") == UNDECIDED,
    )


def _told(node: str, told: Document, heard: Heard) -> End:
    """The agent itself says what went wrong, perhaps with a part of the report."""
    known = {state.value: state for state in State}
    state = known.get(str(told.content["state"]), State.CRASHED)
    return _end(node, heard, state, str(told.content.get("reason") or state.value), told.raw)


def _absent(node: str, heard: Heard, documents: list[Document], faults: list[str]) -> End:
    partial = heard.out or None
    by_signal = killed_by(heard.status)
    if heard.timed_out or (by_signal == signal.SIGKILL and heard.limit and heard.seconds >= heard.limit):
        return _end(node, heard, State.TIMEOUT, f"no answer within {heard.limit:g} s; killed", partial)
    last = last_line(heard.err)
    if by_signal is not None:
        return _end(node, heard, State.CRASHED, _joined(describe_status(-by_signal), last), partial)
    foreign = sorted({_name(one) for one in documents if not one.of(node)})
    if foreign:
        return _end(node, heard, State.NO_REPORT, f"the report of {', '.join(foreign[:3])} came instead", partial)
    for one in documents:
        if one.content.get("complete") is True and one.of(node) and (fault := one.fault()) is not None:
            return _end(node, heard, State.NO_REPORT, fault, partial)
    if faults or documents:
        half = faults[0] if faults else "it is not complete"
        return _end(node, heard, State.NO_REPORT, f"half a report: {half}", partial)
    if heard.status in (NOT_FOUND, CANNOT_RUN):
        hint = "gpucheck cannot be run there; name its path with --command"
        return _end(node, heard, State.NO_REPORT, _joined(hint, last), partial)
    if heard.status:
        return _end(node, heard, State.CRASHED, _joined(f"exit status {heard.status}", last), partial)
    said = "something that is no report" if heard.out.strip() else "nothing"
    return _end(node, heard, State.NO_REPORT, _joined(f"it sent {said}", last), partial)


def killed_by(status: int | None) -> int | None:
    """Return the signal that ended a process, also as shells tell it; None: none did."""
    if status is not None and status < 0:
        return -status
    if status is not None and SHELL_SIGNALS < status <= SHELL_SIGNALS + 64:
        return status - SHELL_SIGNALS
    return None


def _name(document: Document) -> str:
    told = document.content.get("node")
    name = told.get("name") if isinstance(told, dict) else None
    return str(name or document.sender)[:SHOWN]


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:SHOWN] if lines else ""


def _joined(*parts: str) -> str:
    return ": ".join(part for part in parts if part)


def _end(node: str, heard: Heard, state: State, reason: str, partial: bytes | None) -> End:
    return End(node=node, state=state, reason=reason, seconds=heard.seconds, partial=partial)
