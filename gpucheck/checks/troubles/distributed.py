"""Runs over several processes: ranks that are missing, slow or dead, and sums that are wrong."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import Trouble

TROUBLES: dict[str, Trouble] = {
    "rank-absent": Trouble(
        meaning="A process of the distributed run did not arrive within the time that was given: it was not "
        "started, cannot reach rank 0, or hangs before the meeting point. All the others wait for it.",
        remedy="Start one process for each rank of the world size, see that MASTER_ADDR and its ports can be "
        "reached from every machine, and look at the output of the rank that is named.",
        follows=("distributed-failed", "nccl-error", "requirement-unmet"),
    ),
    "rank-slow": Trouble(
        meaning="One rank arrived much later than the others. In training every rank waits for the slowest one in "
        "every step.",
        remedy="Look at that machine: what else runs on it, how fast it reads the framework from its disk, and "
        "how long its GPU takes to start.",
    ),
    "distributed-failed": Trouble(
        meaning="The distributed run did not come to its end: a rank died, hung, lost its connection or raised an "
        "exception. What the other ranks met then follows from that.",
        remedy="Look at the rank that is named: its output, its machine's memory (a process that ends by SIGKILL "
        "was often out of it), and the network between the machines (GLOO_SOCKET_IFNAME, "
        "NCCL_SOCKET_IFNAME).",
        follows=("requirement-unmet",),
    ),
    "nccl-error": Trouble(
        meaning="NCCL, which joins the GPUs of several processes, failed: two ranks on one GPU, no way between "
        "the cards or the machines, too little shared memory, or versions that do not fit.",
        remedy="NCCL_DEBUG=INFO shows where it stopped. One GPU for each rank; NCCL_SOCKET_IFNAME names the "
        "network; NCCL_P2P_DISABLE=1 or NCCL_IB_DISABLE=1 tell which way between cards or machines is at "
        "fault.",
        follows=("distributed-failed", "smoke-failed", "requirement-unmet"),
    ),
    "all-reduce-wrong": Trouble(
        meaning="An all-reduce of whole numbers, which float32 adds up exactly, gave another sum on at least one "
        "rank.",
        remedy="Take the library that was named out of doubt by another version, then each card and each link: "
        "two ranks at a time, and --device cpu.",
        follows=("gradients-differ",),
    ),
    "gradients-differ": Trouble(
        meaning="Gradients that were averaged over the ranks are not the gradient of the whole batch: what is "
        "learned depends on how many ranks there are.",
        remedy="If all-reduce is exact, a rank computes wrongly: compare them by `gpucheck smoke` on each "
        "machine.",
    ),
}
