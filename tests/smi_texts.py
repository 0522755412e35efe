"""Small outputs of nvidia-smi, written from its format."""

from __future__ import annotations


def bars(*widths: int) -> str:
    return "+" + "+".join("-" * width for width in widths) + "+"


def line(*cells: tuple[str, int]) -> str:
    return "|" + "|".join(text.ljust(width) for text, width in cells) + "|"


def table(
    header: str, rows: list[tuple[str, str, str]], first: int = 41, mig: str | None = "N/A", tail: str = ""
) -> str:
    """A table; a row is its name with index and persistence, its bus with ECC, its memory with the mode."""
    widths = (first, 24, 22)
    lines = [
        bars(sum(widths) + 2),
        f"| {header} |",
        bars(*widths),
        line(("GPU Name", first), ("Bus-Id", 24), ("", 22)),
    ]
    lines.append("|" + "+".join("=" * width for width in widths) + "|")
    for name, bus, used in rows:
        address, _, ecc = bus.partition(" / ")
        memory, _, mode = used.partition(" : ")
        lines.append(line((name, first), (f" {address} Off ", 24), (f"{ecc:>21} ", 22)))
        lines.append(
            line((" N/A   30C    P0     20W / 300W ", first), (f"   {memory} ", 24), (f"  0%   {mode} ", 22))
        )
        if mig is not None:
            lines.append(line(("", first), ("", 24), (f"{mig:>21} ", 22)))
        lines.append(bars(*widths))
    return "\n".join(lines) + "\n" + tail


def processes(*rows: str) -> str:
    return "\n".join(["", bars(89), "| Processes:    |",
                      "|  GPU   GI   CI   PID   Type   Process name   GPU Memory |",
                      "|" + "=" * 89 + "|", *(f"|  {row} |" for row in rows), bars(89), ""])  # fmt: skip


TWO = [
    ("   0  NVIDIA A10          Off  ", "00000000:3B:00.0 / 0", " 1024MiB /  23028MiB : Default"),
    ("   1  NVIDIA A10          On   ", "00000000:AF:00.0 / 3", "23000MiB /  23028MiB : E. Process"),
]
LAYOUTS = {
    "525": ("NVIDIA-SMI 525.60.13    Driver Version: 525.60.13    CUDA Version: 12.0    ", 31, "525.60.13",
            "12.0"),
    "535": ("NVIDIA-SMI 535.54.03              Driver Version: 535.54.03    CUDA Version: 12.2    ", 41,
            "535.54.03", "12.2"),
    "550": ("NVIDIA-SMI 560.35.03              Driver Version: 560.35.03      CUDA Version: 12.6    ", 41,
            "560.35.03", "12.6"),
    "610": ("NVIDIA-SMI 610.43.02              KMD Version: 610.43.02     CUDA UMD Version: 13.3    ", 41,
            "610.43.02", "13.3"),
}  # fmt: skip
RUNNING = processes(
    "  1   N/A  N/A   4242      C   /opt/env/bin/python3   22000MiB", "  1   N/A  N/A   99   G   Xorg  4MiB"
)


QUERY = """==============NVSMI LOG==============

Timestamp                                 : Mon Jan  5 10:00:00 2026
Driver Version                            : 610.43.02 [Deprecated; will be removed. Use KMD Version instead]
CUDA Version                              : 13.3 [Deprecated; will be removed. Use CUDA UMD Version instead]
KMD Version                               : 610.43.02
CUDA UMD Version                          : 13.3

Attached GPUs                             : 1
GPU 00000000:3B:00.0
    Product Name                          : NVIDIA A10
    Persistence Mode                      : Enabled
    MIG Mode
        Current                           : Disabled
        Pending                           : Enabled
    MIG Device
        Index                             : 0
        ECC Errors
            Volatile
                SRAM Uncorrectable        : 9
        FB Memory Usage
            Total                         : 1 MiB
    Accounting Mode                       : Disabled
    GPU UUID                              : GPU-1b2c
    Inforom BBX Object Flush
        Latest Timestamp                  : N/A
    Clocks Event Reasons
        Idle                              : Not Active
        SW Power Cap                      : Active
        HW Slowdown                       : Not Active
            HW Thermal Slowdown           : Active
    FB Memory Usage
        Total                             : 23028 MiB
        Used                              : 28 MiB
        Free                              : 22500 MiB
    BAR1 Memory Usage
        Total                             : 32768 MiB
    Compute Mode                          : Prohibited
    ECC Mode
        Current                           : Enabled
    ECC Errors
        Volatile
            SRAM Uncorrectable            : 1
            DRAM Uncorrectable            : 2
        Aggregate
            DRAM Uncorrectable            : 50
    Remapped Rows
        Pending                           : Yes
        Remapping Failure Occurred        : No
    Fabric
        State                             : In Progress
    Processes
        GPU instance ID                   : N/A
        Process ID                        : 77
            Type                          : C
            Name                          : /usr/bin/python3 --flag /tmp/x
            Used GPU Memory               : 12 MiB
    Capabilities
        EGM                               : disabled
"""


XML = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">
<nvidia_smi_log>
<driver_version>580.65.06</driver_version><cuda_version>13.0</cuda_version><attached_gpus>2</attached_gpus>
<gpu id="00000000:3B:00.0"><product_name>NVIDIA A10</product_name><uuid>GPU-1</uuid>
<mig_mode><current_mig>Disabled</current_mig></mig_mode><mig_devices>None</mig_devices>
<fb_memory_usage><total>23028 MiB</total><used>1 MiB</used><free>23000 MiB</free></fb_memory_usage>
<compute_mode>Exclusive_Process</compute_mode>
<processes><process_info><pid>5</pid><type>C</type>
<process_name>C:\\a b\\c.exe</process_name></process_info></processes>
</gpu>
<gpu id="00000000:AF:00.0"><product_name>NVIDIA A10</product_name>
<fb_memory_usage><total>GPU is lost</total></fb_memory_usage><processes></processes></gpu>
</nvidia_smi_log>"""


SAMPLES = [*(table(one[0], TWO, one[1], tail=RUNNING) for one in LAYOUTS.values()), QUERY, XML]
