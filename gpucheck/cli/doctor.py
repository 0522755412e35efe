"""`gpucheck doctor`: judge this machine, or another one by its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from gpucheck.cli.common import (
    Color,
    ColorOption,
    FormatOption,
    MatrixOption,
    PythonOption,
    QuietOption,
    RedactOption,
    RequireOption,
    VerboseOption,
    write,
)
from gpucheck.cli.gating import (
    BaselineOption,
    DiagnosticsOption,
    ExitStyle,
    ExitStyleOption,
    HistoryOption,
    MissingGpuOption,
    NoPolicyOption,
    PolicyOption,
    ProfileOption,
    UpdateBaselineOption,
)
from gpucheck.findings import FailOn


def doctor(
    python: PythonOption = None,
    source: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            "--from",
            metavar="FILE",
            help="Judge another machine: gpucheck's JSON, collect_env, nvidia-smi, a log; - is stdin.",
        ),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also import the frameworks, in child processes, and ask them.")
    ] = False,
    require: RequireOption = None,
    policy: PolicyOption = None,
    no_policy: NoPolicyOption = False,
    profile: ProfileOption = None,
    on_missing_gpu: MissingGpuOption = None,
    fail_on: Annotated[
        Optional[FailOn],  # noqa: UP045
        typer.Option(
            "--fail-on", help="Least severity of a finding that makes the exit status 1; default: error."
        ),
    ] = None,
    form: FormatOption = None,
    exit_style: ExitStyleOption = ExitStyle.GPUCHECK,
    baseline: BaselineOption = None,
    update_baseline: UpdateBaselineOption = False,
    history: HistoryOption = False,
    diagnostics: DiagnosticsOption = None,
    matrix: MatrixOption = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that any one probe may take.")] = 30.0,
    redact: RedactOption = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the root cause: driver, GPUs, CUDA, cuDNN, frameworks. Read-only, no network.

    Exit status: 0 healthy, 1 a finding at --fail-on or a demand unmet, 2 bad usage, 3 inconclusive.

    Examples:
        gpucheck doctor
        gpucheck doctor --format markdown   # for a bug report
        gpucheck doctor --require 'gpu>=4' --format json=report.json
    """
    from gpucheck import api
    from gpucheck.cli.gating import end, notes, policy_of
    from gpucheck.cli.outputs import read_outputs

    outputs = read_outputs(form)
    if update_baseline and baseline is None:
        raise typer.BadParameter("--update-baseline needs --baseline FILE")
    if history and source is not None:
        raise typer.BadParameter("--from and --history exclude each other: another machine has its own history")
    if diagnostics and source is not None:
        raise typer.BadParameter("--from and --diagnostics exclude each other: put both into the file of --from")
    facts = None
    if source is not None:
        if python is not None:
            raise typer.BadParameter("--from and --python exclude each other")
        if deep:
            raise typer.BadParameter("--from and --deep exclude each other: another machine cannot be asked")
        from gpucheck import explaining
        from gpucheck.cli.reading import content_of
        from gpucheck.matrix.opening import open_matrix

        facts = explaining.read(content_of(str(source), "--from"), str(source), open_matrix(matrix))
    report = api.doctor(
        python,
        facts=facts,
        require=require or [],
        policy=policy_of(policy, no_policy=no_policy, elsewhere=source is not None),
        profile=profile,
        on_missing_gpu=on_missing_gpu,
        matrix=matrix,
        fail_on=fail_on.value if fail_on is not None else None,
        baseline=baseline,
        update_baseline=update_baseline,
        diagnostics=diagnostics or (),
        timeout=timeout,
        deep=deep,
    )
    if history or baseline is not None:
        notes(report, history=history, matrix=matrix, color=color, redact=redact)
    with end(exit_style, report):
        write(report, outputs=outputs, color=color, redact=redact, verbosity=int(verbose) - int(quiet))
