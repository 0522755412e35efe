"""The cards: there, free and visible."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import (
    MIG,
    PROGRAMMING_GUIDE,
    TF_GPU,
    TORCH_CUDA,
    XID,
    issue,
)

ADVICE: dict[str, Advice] = {
    "gpu-missing": Advice(
        why="The driver saw the card on the bus and could not start it, or left it alone. An old card beside "
        "newer ones, a kernel module of the wrong kind, too little power, a bad riser and a failed card "
        "all look alike from outside; the kernel's log tells them apart.",
        confirm=(
            "`lspci -nnk -d 10de:` lists the card, `nvidia-smi -L` does not.",
            "`sudo dmesg | grep -i -e NVRM -e Xid` says why; `gpucheck doctor` shows the lines about this card.",
        ),
        cures=(
            ("linux", "If the log says that the driver does not support the card, see gpu-unsupported-by-driver."),
            (
                "linux",
                "Else `sudo reboot`; if it stays away, switch the machine off, reseat the card and look at its "
                "power cables.",
            ),
            ("cluster", "Take another node and tell the administrators which card is missing."),
            (
                "container",
                "A container or a job that was given some of the cards sees only those; that is no fault.",
            ),
        ),
        vain=("Another framework or CUDA toolkit: they see what the driver lists.",),
        references=(XID,),
    ),
    "device-in-use": Advice(
        why="The compute mode admits one program, or none. More often the mode is the default and something "
        "else is at fault: a process left over from a crashed run still holds the card, or an illegal "
        "memory access in the same program came first and this message is only its echo.",
        confirm=(
            "`nvidia-smi` shows the compute mode in its table (`E. Process` is exclusive) and the processes "
            "that hold the card.",
            "Search the log above for the first CUDA error; what follows one is an echo.",
        ),
        cures=(
            (
                "linux",
                "End what is left over: `nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv`, "
                "then `kill PID`.",
            ),
            ("linux", "Let several programs use it: `sudo nvidia-smi -i 0 -c DEFAULT`."),
            ("cluster", "Exclusive mode is often wanted there: one program for each card."),
            ("wsl", "Update WSL and the Windows driver; an early build said this to every program."),
        ),
        vain=("Changing the compute mode when it is the default already.",),
        references=(
            issue("sgl-project/sglang", 3892, "a secondary error after an illegal access"),
            issue("microsoft/WSL", 6014, "every program on one WSL build"),
        ),
    ),
    "gpu-out-of-memory": Advice(
        why="TensorFlow takes nearly all memory of every visible GPU when it starts, so a second program finds "
        "none; a notebook keeps its memory until its kernel is restarted. Otherwise the network, its batch "
        "and the optimiser's state really need more than there is. PyTorch can also have enough memory "
        "that is too fragmented to use.",
        confirm=(
            "`nvidia-smi` shows who holds the memory; `gpucheck doctor` names them with their share.",
            "PyTorch's message tells how much is allocated and how much is reserved but unallocated: if the "
            "latter is large, it is fragmentation.",
            "`gpucheck smoke` passes on the free card: then the program's own need is the cause.",
            "`The caller indicates that this is not a failure` in the line: then it is "
            "allocator-fallback-warning, and harmless.",
        ),
        cures=(
            (
                "any",
                "End what is left over, or take the freest card: `gpucheck run --gpus 1 -- COMMAND`, which "
                "switches memory growth on too.",
            ),
            (
                "any",
                "Smaller batch, with gradient accumulation where its size matters; mixed precision; no graph "
                "kept in evaluation (`torch.no_grad()`).",
            ),
            (
                "any",
                "Fragmentation: `gpucheck run --fix gpu-out-of-memory -- COMMAND` chooses an allocator that "
                "wastes less.",
            ),
            (
                "notebook",
                "Restart the kernels of all notebooks that used the GPU; closing the tab does not end them.",
            ),
            ("cluster", "Ask for a card of your own, or for one with more memory."),
        ),
        vain=(
            "`torch.cuda.empty_cache()`: PyTorch reuses that memory anyhow; it only gives it to other programs.",
            "Memory growth, when one program alone needs more than the card has.",
        ),
        references=(
            TORCH_CUDA,
            TF_GPU,
        ),
    ),
    "mig-misconfigured": Advice(
        why="In MIG mode a card is cut into devices, and programs see only those. Until somebody makes a GPU "
        "instance with a compute instance in it, CUDA sees nothing. A program sees one MIG device at most.",
        confirm=(
            "`nvidia-smi -L` lists MIG devices below the card, or none.",
            "The table of `nvidia-smi` shows `Enabled` in the column `MIG M.`.",
        ),
        cures=(
            (
                "linux",
                "Make one: `sudo nvidia-smi mig -lgip` lists the profiles, `sudo nvidia-smi mig -cgi PROFILE "
                "-C` makes a device of one.",
            ),
            ("linux", "Or switch it off, which ends running jobs: `sudo nvidia-smi -i 0 -mig 0`."),
            ("any", "Choose one device by its UUID: `gpucheck run --devices MIG-... -- COMMAND`."),
            (
                "cluster",
                "Ask for a slice by the scheduler's own words; a node whose slice fails with an unknown error "
                "may simply be bad.",
            ),
        ),
        vain=(
            "Expecting `torch.cuda.device_count()` to count the slices: 1 is right.",
            "Two MIG UUIDs in CUDA_VISIBLE_DEVICES: CUDA shows the first.",
        ),
        references=(
            MIG,
            issue("pytorch/pytorch", 130181, "an assertion with two MIG devices"),
            issue("pytorch/pytorch", 102715, "device_count() is 1"),
        ),
    ),
    "visible-devices-hides-gpu": Advice(
        why="CUDA_VISIBLE_DEVICES is set in this environment, and what it holds shows no GPU: it is empty, "
        "`-1`, or begins with an entry that no GPU has. It may come from a shell's start file, an IDE, an "
        "image, Slurm or Ray.",
        confirm=(
            "`env | grep CUDA_VISIBLE_DEVICES` shows it; nothing after the `=` hides all GPUs, no line at all "
            "means that it is not set.",
            "`env -u CUDA_VISIBLE_DEVICES gpucheck doctor` is healthy.",
            "`gpucheck doctor` tells which entry ends the list, and why.",
        ),
        cures=(
            (
                "any",
                "`unset CUDA_VISIBLE_DEVICES`, or name the GPUs: `gpucheck run --devices 0 -- COMMAND`, which "
                "asks the driver whether it shows them.",
            ),
            ("windows", "`set CUDA_VISIBLE_DEVICES=` in the same window."),
            (
                "cluster",
                "Under Slurm ask for a GPU. Ray gives an empty mask to tasks and actors that did not ask: set "
                "`num_gpus`.",
            ),
            (
                "notebook",
                "Take the line out of the first cells and restart the kernel; the driver reads the mask once.",
            ),
        ),
        vain=("Installing driver, CUDA or framework again: all are sound, the variable hides the card.",),
        references=(PROGRAMMING_GUIDE,),
    ),
    "visible-devices-truncated": Advice(
        why="The driver reads the list up to its first invalid entry and drops the rest without a word: "
        "`0,2,-1,1` shows 0 and 2. A number that no card has, a mistyped UUID and a mix of numbers and "
        "UUIDs end the list; an entry that stands twice empties it.",
        confirm=(
            "`gpucheck doctor` names the entry and how many GPUs CUDA sees.",
            '`python -c "import torch; print(torch.cuda.device_count())"` is less than the number of entries.',
        ),
        cures=(
            ("any", "Correct the entry; `gpucheck run -- COMMAND` repairs the list to the entries that exist."),
            (
                "any",
                "With indices set `CUDA_DEVICE_ORDER=PCI_BUS_ID`, so that an index means the card that "
                "nvidia-smi shows by it; UUIDs need no order.",
            ),
            ("container", "Inside, the GPUs are counted from 0 again."),
        ),
        vain=("Spaces after the commas: they are allowed.",),
        references=(PROGRAMMING_GUIDE,),
    ),
}
