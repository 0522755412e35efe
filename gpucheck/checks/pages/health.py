"""The health of the cards: do they answer, is their memory sound, do they keep their clocks?"""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import MEMORY_ERRORS, NVML, XID

ADVICE: dict[str, Advice] = {
    "gpu-lost": Advice(
        why="The card worked and then stopped answering on the PCIe bus (Xid 79 in the kernel's log). Heat, a "
        "power supply that gives way under load, a loose card or riser, and failing hardware are the usual "
        "reasons.",
        confirm=(
            "`nvidia-smi` says `GPU is lost` or `Unable to determine the device handle`.",
            "`sudo dmesg | grep -i xid` shows 79 or another number before it.",
            "PyTorch then says `CUDA unknown error` though other cards of the machine are sound.",
        ),
        cures=(
            (
                "linux",
                "`sudo reboot`, which ends running jobs; some cards come back only after the machine was "
                "without power.",
            ),
            (
                "linux",
                "If it returns under load, look at temperature and power: `nvidia-smi -q -d "
                "TEMPERATURE,POWER`; reseat the card, try another slot or cable.",
            ),
            (
                "linux",
                "Until then work with the others: `gpucheck run --gpus 1 -- COMMAND` takes only cards that "
                "answer.",
            ),
            ("cluster", "Leave that node and tell the administrators."),
        ),
        vain=("Changing CUDA_VISIBLE_DEVICES as PyTorch's message proposes: the card itself is gone.",),
        references=(XID,),
    ),
    "xid-error": Advice(
        why="The driver writes a number into the kernel's log for each error of a card. Some are the program's "
        "own fault (13, 31, 43), 45 is a clean-up after another one, and some mean that the card needs a "
        "reset or the machine a restart; only those are reported.",
        confirm=(
            "`sudo dmesg | grep -i xid` shows the lines; `gpucheck doctor` tells what the number means and "
            "what NVIDIA's catalogue asks for.",
            "If the card was reset or the machine restarted after that line, it is history.",
        ),
        cures=(
            (
                "linux",
                "Reset the GPU when nothing uses it: `sudo nvidia-smi --gpu-reset -i 0`; where the catalogue "
                "asks for a restart, `sudo reboot`.",
            ),
            (
                "linux",
                "If the number comes back on the same card, test it by `dcgmi diag -r 3`, or have it replaced.",
            ),
            ("cluster", "Report node, card and number; they are what the administrators need."),
        ),
        vain=("Looking for the fault in the training code, unless the number is 13, 31 or 43.",),
        references=(XID,),
    ),
    "uncorrectable-ecc": Advice(
        why="Data-centre cards check their memory. What they cannot correct ends the programs that used it; "
        "the bad row is marked and replaced at the next reset. When no spare rows are left, the card is "
        "worn out.",
        confirm=(
            "`nvidia-smi -q -d ECC,ROW_REMAPPER` shows uncorrectable errors, and whether remapping is pending "
            "or has failed.",
            "`sudo dmesg | grep -i xid` shows 48, 63, 64, 94 or 95.",
        ),
        cures=(
            (
                "linux",
                "Remapping pending: `sudo nvidia-smi --gpu-reset -i 0` when nothing uses it, or `sudo reboot`.",
            ),
            (
                "linux",
                "Remapping failed: take the card out of use and have it tested (`dcgmi diag -r 3`): a card "
                "that fails it is a case for a return.",
            ),
            ("cluster", "Tell the administrators; leave that node."),
            ("any", "Start again from a checkpoint that is older than the error."),
        ),
        vain=("Switching ECC off: the memory stays bad and then gives wrong numbers silently.",),
        references=(
            MEMORY_ERRORS,
            XID,
        ),
    ),
    "hardware-diagnostic-failed": Advice(
        why="No check here stresses the hardware; `dcgmi diag` and NVIDIA Health Validation do. What they have "
        "found is taken over as it is, by `--diagnostics FILE`, or where it stands in a pasted text. Of DCGM's "
        "severities, isolate and reset keep work from the card, triage asks for more tests, configure and monitor "
        "are warnings.",
        confirm=(
            "`dcgmi diag -r 2 --json` names the test, the GPU and what DCGM wants done.",
            "The file is newer than the last boot, and was made under the driver that runs now: else it says "
            "nothing, and the check is unknown.",
        ),
        cures=(
            ("linux", "Isolate: take the card out of use and have it tested; `dcgmi diag -r 3` for the maker."),
            ("linux", "Reset: `sudo nvidia-smi --gpu-reset -i 0` when nothing uses it, or `sudo reboot`."),
            ("linux", "Configure: change what the test names, e.g. `sudo nvidia-smi -pm 1`, and run it again."),
            ("cluster", "Tell the administrators; leave that node."),
        ),
        vain=(
            "Going by the exit status of `dcgmi diag` alone: in DCGM 4 it can be 226 although every test passed.",
        ),
        references=(
            (
                "NVIDIA DCGM: diagnostics",
                "https://docs.nvidia.com/datacenter/dcgm/latest/user-guide/dcgm-diagnostics.html",
            ),
            (
                "NVIDIA Health Validation: verdict schema",
                "https://docs.nvidia.com/health-validation/reference/verdict-schema.md",
            ),
        ),
    ),
    "gpu-throttled": Advice(
        why="A card that is too hot, or whose power supply asks it to (power brake), lowers its clocks to "
        "protect itself. Staying at the power limit and idling lower them too; both are normal and are not "
        "reported.",
        confirm=(
            "`nvidia-smi -q -d PERFORMANCE` lists the reasons; thermal slowdown and power brake are the bad ones.",
            "`nvidia-smi -q -d TEMPERATURE,POWER` shows how close to its limits it is.",
        ),
        cures=(
            (
                "linux",
                "Look at fans, dust, air flow and neighbouring cards; passively cooled cards need the server's "
                "fans.",
            ),
            ("linux", "Power brake: look at power supply and cables."),
            ("linux", "To go on meanwhile, lower the power limit: `sudo nvidia-smi -i 0 -pl WATTS`."),
        ),
        references=(NVML,),
    ),
}
