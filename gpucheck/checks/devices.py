"""May this user, in this container, open the driver's device nodes?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import enclosed, evidence
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Safety, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import DeviceNode, Facts
    from gpucheck.matrix import Matrix


@check("device-nodes-usable", "permission-denied", "container-cgroup-lost-gpu")
def device_nodes_usable(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The driver's device nodes may be opened.

    A false alarm for /dev/nvidia-caps and the nodes of cards that a scheduler gave to others: only the control
    nodes and, outside a job, the cards' own are judged.
    """
    driver = facts.driver
    if not driver.module_loaded.value:
        yield skipped(driver.module_loaded.missing or "no NVIDIA kernel module is loaded")
    elif driver.device_nodes.value is None:
        yield unknown(driver.device_nodes.missing or "not looked at")
    elif driver.refused_nodes.value:
        yield broken(_refused(facts, driver.refused_nodes.value))
    elif locked := [node for node in driver.device_nodes.value if not node.usable and _needed(facts, node)]:
        yield broken(_locked(locked))
    elif not driver.device_nodes.value:
        yield skipped("there are no device nodes")
    else:
        yield holds(f"{len(driver.device_nodes.value)} nodes")


def _needed(facts: Facts, node: DeviceNode) -> bool:
    if node.path in ("/dev/nvidiactl", "/dev/nvidia-uvm"):
        return True
    return node.path.removeprefix("/dev/nvidia").isdigit() and facts.system.scheduler.value in (None, "none")


def _locked(nodes: list[DeviceNode]) -> Finding:
    groups = list(dict.fromkeys(node.group for node in nodes if node.group != "root" and node.mode[4:6] == "rw"))
    if groups:
        fix = Fix(
            text="Join the group that owns the nodes, then log in again.",
            commands=tuple(f'sudo usermod -aG {group} "$USER"' for group in groups),
            safety=Safety.ASK,
            systems=("linux",),
        )
    else:
        fix = Fix(
            text="Let all users open them: remove NVreg_DeviceFileMode from /etc/modprobe.d, or a udev rule that "
            "narrows them, then reboot.",
            commands=("grep -rs NVreg_Device /etc/modprobe.d", "grep -rls nvidia /etc/udev/rules.d"),
        )
    return Finding(
        slug="permission-denied",
        severity=Severity.ERROR,
        title="This user may not use the NVIDIA devices",
        cause="The permissions of the device nodes exclude this user.",
        evidence=tuple(Evidence(text=f"{node.mode} group {node.group}", source=node.path) for node in nodes),
        fixes=(fix,),
    )


def _refused(facts: Facts, nodes: tuple[str, ...]) -> Finding:
    inside = enclosed(facts)
    shown = tuple(Evidence(text=node, source="open") for node in nodes)
    if inside is None:
        return Finding(
            slug="permission-denied",
            severity=Severity.ERROR,
            title="The kernel refuses to open the NVIDIA devices",
            cause="The nodes' permissions allow it, so the device rules of a control group forbid it, e.g. a "
            "systemd unit with DevicePolicy or PrivateDevices.",
            confidence=Confidence.LIKELY,
            evidence=shown,
            fixes=(Fix(text="Allow the devices in the unit: DeviceAllow=/dev/nvidiactl rw, and the others."),),
        )
    return Finding(
        slug="container-cgroup-lost-gpu",
        severity=Severity.ERROR,
        title=f"This {inside} container has lost access to its GPU",
        cause="The nodes are here and their permissions allow them, but the container's control group refuses "
        "them: systemd wrote its device rules anew.",
        evidence=(*shown, evidence("container", facts.system.container)),
        fixes=(
            Fix(text="Start the container again.", systems=("container",)),
            Fix(
                text="To keep it from coming back, name the devices when it is started, or use CDI.",
                commands=("docker run --gpus all --device /dev/nvidiactl --device /dev/nvidia-uvm ...",),
                systems=("container",),
            ),
        ),
        source="NVIDIA Container Toolkit: containers lose access to GPUs, "
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/48, checked 2026-11-22",
    )
