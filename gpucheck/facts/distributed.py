"""What a distributed run brought to light, as rank 0 saw it."""

from __future__ import annotations

from gpucheck.record import record


@record
class Rank:
    """One process of a distributed run.

    Attributes:
        rank: Its number.
        host: Name of its machine; None if it was never heard of.
        late: Seconds after the first rank's arrival at which it arrived; None if it did not.
        stage: The stage that it began last: ``start``, ``import``, ``device_start``, ``meet``, ``barrier``,
            ``all_reduce``, ``gradients``, ``mirrored``.
        silent: Seconds since its last sign of life when the run was given up; None for a run that was not.
        failure: Its own account of why it failed, or None.
    """

    rank: int
    host: str | None = None
    late: float | None = None
    stage: str | None = None
    silent: float | None = None
    failure: str | None = None


@record
class AllReduce:
    """All-reduces of one message size.

    Attributes:
        bytes: Size of the message.
        seconds: Time of one all-reduce: each rank's median, of these the slowest.
        algorithm_bandwidth: Bytes per second: size over time.
        bus_bandwidth: The same times 2 (n - 1) / n for n ranks, which does not depend on their number (nccl-tests,
            doc/PERFORMANCE.md).
        exact: Whether every rank got the exact sum, each time.
        wrong_ranks: The ranks that did not.
    """

    bytes: int
    seconds: float
    algorithm_bandwidth: float | None
    bus_bandwidth: float | None
    exact: bool
    wrong_ranks: tuple[int, ...] = ()


@record
class DistributedRun:
    """One distributed run of a framework. What other ranks told is known to rank 0 alone.

    Attributes:
        framework: ``torch`` or ``tensorflow``.
        version: Version of the framework on this rank.
        python: Interpreter that ran it.
        launcher: ``torchrun``, ``srun``, ``mpirun`` or ``environment``.
        backend: ``gloo``, ``nccl`` or ``ring``; None if it never came to it.
        rank: The rank that tells.
        size: The world size.
        asked: ``auto``, ``gpu`` or ``cpu``.
        device: This rank's device, e.g. ``cpu`` or ``cuda:0``.
        device_name: Product name of that device.
        meeting_limit: Seconds within which all had to arrive.
        ranks: Every rank that was heard of.
        absent: Ranks that did not arrive in time.
        blamed: Ranks that the failure comes from, as far as it can be told.
        all_reduce: For each size of message.
        gradient_error: Norm of the difference between averaged gradient and that of the whole batch, over the
            latter's norm; the largest of all ranks.
        mirrored_error: The same of tf.distribute.MirroredStrategy within one process; None for PyTorch.
        mirrored_devices: How many devices that was averaged over; one proves nothing.
        failure: Why there is no result, or None.
        failure_stage: Stage in which it failed.
        log: Last lines that the rank which failed printed.
        seconds: Wall time of the whole run.
    """

    framework: str
    version: str | None = None
    python: str | None = None
    launcher: str
    backend: str | None = None
    rank: int
    size: int
    asked: str = "auto"
    device: str | None = None
    device_name: str | None = None
    meeting_limit: float | None = None
    ranks: tuple[Rank, ...] = ()
    absent: tuple[int, ...] = ()
    blamed: tuple[int, ...] = ()
    all_reduce: tuple[AllReduce, ...] = ()
    gradient_error: float | None = None
    mirrored_error: float | None = None
    mirrored_devices: int | None = None
    failure: str | None = None
    failure_stage: str | None = None
    log: tuple[str, ...] = ()
    seconds: float | None = None
