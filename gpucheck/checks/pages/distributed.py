"""Runs over several processes."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import NCCL_ENV, NCCL_TROUBLE, issue

ADVICE: dict[str, Advice] = {
    "rank-absent": Advice(
        why="Every rank waits for all others at the start. One that was not started, that cannot reach rank "
        "0's address and port, or that still reads its framework from a slow disk, stops all.",
        confirm=(
            "The report names the absent ranks and the stage that they were in.",
            'On that machine: does the process exist, and does `python -c "import socket; '
            "socket.create_connection(('HOST', PORT), 5)\"` reach rank 0?",
            "The world size equals the number of processes that the launcher started.",
        ),
        cures=(
            ("any", "Start one process for each rank; look at the output of the absent one first."),
            (
                "cluster",
                "MASTER_ADDR must be a name that every node can resolve and reach, not localhost; the port "
                "must be free and not behind a firewall.",
            ),
            (
                "container",
                "Containers on several machines need the host's network or open ports: `docker run --network "
                "host ...`.",
            ),
            ("any", "Slow disks: `gpucheck smoke --distributed --timeout 900`."),
        ),
        vain=("A longer timeout for a rank that does not exist.",),
        references=(NCCL_TROUBLE,),
    ),
    "rank-slow": Advice(
        why="Ranks keep step with the slowest. One machine that reads from a slower disk, shares its "
        "processor, or runs at lowered clocks slows all of them in every step.",
        confirm=(
            "The report names the rank, how late it came, and in which stage it lost the time.",
            "On that machine `gpucheck doctor` (lowered clocks, other programs) and `uptime`.",
        ),
        cures=(
            (
                "any",
                "Cure what the doctor names there; else leave that machine out and see whether the others are "
                "faster.",
            ),
            (
                "cluster",
                "Keep the environment on a local or parallel disk, not in a home folder that all nodes read at "
                "once.",
            ),
        ),
        vain=("Tuning NCCL before the slow rank is known.",),
    ),
    "distributed-failed": Advice(
        why="One rank failed, and the others noticed only that it was gone: their messages, `Connection reset "
        "by peer` and timeouts, follow from it.",
        confirm=(
            "The report names the rank that failed first; its own output holds the reason.",
            "Ended by SIGKILL: `sudo dmesg | grep -i -e 'out of memory' -e oom` on that machine.",
            "`gpucheck smoke` alone, on that machine, passes or fails.",
        ),
        cures=(
            ("any", "Cure that rank's own failure first."),
            (
                "cluster",
                "Several network interfaces: name the right one, `NCCL_SOCKET_IFNAME=eth0` and "
                "`GLOO_SOCKET_IFNAME=eth0`.",
            ),
            ("container", "Little shared memory: see shared-memory-too-small."),
        ),
        vain=("Reading the loudest traceback: it is mostly that of a rank that only lost its partner.",),
        references=(NCCL_TROUBLE,),
    ),
    "nccl-error": Advice(
        why="NCCL reports most failures in two words and tells the reason in a warning that is off by default. "
        "Behind them are: two ranks on one GPU, /dev/shm of 64 MB, a direct way between cards that the "
        "machine does not really have, the wrong network interface, another CUDA error that came first, or "
        "two versions of NCCL.",
        confirm=(
            "`NCCL_DEBUG=INFO` in the environment of all ranks: the first `WARN` line names the reason.",
            "`Error while creating shared memory segment /dev/shm/nccl-`: shared-memory-too-small. `Duplicate "
            "GPU detected`: two ranks on one GPU. An illegal memory access before it: that is the cause.",
            "It passes with `NCCL_P2P_DISABLE=1`: the direct way between cards; with `NCCL_IB_DISABLE=1`: "
            "InfiniBand; with `NCCL_SHM_DISABLE=1`: shared memory.",
            "`nvidia-smi topo -m` shows how the cards are joined.",
        ),
        cures=(
            ("any", "One GPU for each rank: `torch.cuda.set_device(local_rank)` before anything else uses a GPU."),
            (
                "linux",
                "Where P2P is at fault, virtualisation and IOMMU settings are the usual reason; "
                "`NCCL_P2P_DISABLE=1` works around it and is slower.",
            ),
            ("cluster", "Name the interface: `NCCL_SOCKET_IFNAME=eth0`."),
            ("container", "`docker run --shm-size=8g ...` or `--ipc=host`."),
            ("any", "Two NCCL packages: keep the one that torch pins, see package-files-overwritten."),
        ),
        vain=(
            "Leaving the variables that switched something off in place for good: NVIDIA asks not to.",
            "A longer timeout, before the first warning is read.",
        ),
        references=(
            NCCL_ENV,
            NCCL_TROUBLE,
            issue("sgl-project/sglang", 5096, "too little shared memory"),
        ),
    ),
    "all-reduce-wrong": Advice(
        why="The numbers are whole and small enough for float32 to add them exactly in any order, so every "
        "rank must get the same sum to the last bit. Another sum means that data was changed or mixed up "
        "between the cards: a faulty link or card, a direct way between cards that a virtual machine only "
        "pretends, or a fault in the library.",
        confirm=(
            "`gpucheck smoke --distributed --device cpu` in the same launcher is exact.",
            "It is exact with `NCCL_P2P_DISABLE=1`: then the direct way between cards is at fault.",
            "Two ranks at a time find the card or link.",
        ),
        cures=(
            (
                "linux",
                "Look at `nvidia-smi nvlink -e`, at Xid 74 in `sudo dmesg`, and at IOMMU and ACS settings, "
                "NCCL's troubleshooting page tells how.",
            ),
            ("any", "Another version of the library takes it out of doubt."),
        ),
        vain=("Going on with training: the gradients are wrong too.",),
        references=(NCCL_TROUBLE,),
    ),
    "gradients-differ": Advice(
        why="Averaged over the ranks, the gradients of equal shares of a batch are the gradient of the whole "
        "batch. If all-reduce is exact and they still differ, one rank computes wrongly, or the ranks do "
        "not have the same weights.",
        confirm=(
            "all-reduce-wrong in the same report: then that is the cause.",
            "`gpucheck smoke` on each machine: which one computes convolution wrongly?",
        ),
        cures=(
            ("any", "Cure the rank that is wrong, or leave it out."),
            (
                "any",
                "In a program of your own: equal weights at the start, shares of equal size, the sum divided "
                "by the number of ranks.",
            ),
        ),
        vain=("A smaller learning rate: it only makes the difference harder to see.",),
    ),
}
