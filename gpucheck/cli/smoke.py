"""`gpucheck smoke`: train a reference network and prove convolution."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from gpucheck.cli.common import (
    Color,
    ColorOption,
    FailOnOption,
    FormatOption,
    MatrixOption,
    PythonOption,
    QuietOption,
    RedactOption,
    RequireOption,
    VerboseOption,
    emit,
    write,
)
from gpucheck.cli.names import among, models
from gpucheck.findings import FailOn

TRAINING, PROOF, KEEPING = "Training", "Proof", "Keeping what was seen"
SAMPLES = 20
Number = Optional[int]  # noqa: UP045 - typer reads it at run time
File = Optional[Path]  # noqa: UP045
Text = Optional[str]  # noqa: UP045


def smoke(
    framework: Annotated[
        str,
        typer.Option(
            "--framework",
            "-f",
            help="torch, tf, or all that are installed.",
            autocompletion=among("torch", "tf", "all"),
        ),
    ] = "all",
    device: Annotated[
        str,
        typer.Option(
            help="auto (the GPU where one is present), gpu or cpu.",
            rich_help_panel=PROOF,
            autocompletion=among("auto", "gpu", "cpu"),
        ),
    ] = "auto",
    all_gpus: Annotated[
        bool, typer.Option("--all-gpus", help="Train on each visible GPU in turn.", rich_help_panel=PROOF)
    ] = False,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compiled",
            help="Prove convolution in compiled code too (torch.compile, XLA).",
            rich_help_panel=PROOF,
        ),
    ] = False,
    arithmetic: Annotated[
        str, typer.Option(help="default, or fp32: TF32 off, and found to be off.", rich_help_panel=PROOF)
    ] = "default",
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed", help="One rank of several: torchrun, srun or mpirun starts it.", rich_help_panel=PROOF
        ),
    ] = False,
    fix: Annotated[bool, typer.Option("--fix/--no-fix", help="Apply the safe cures before training.")] = True,
    model: Annotated[
        str,
        typer.Option(help="The network; see --list-models.", rich_help_panel=TRAINING, autocompletion=models),
    ] = "reference",
    list_models: Annotated[
        bool, typer.Option("--list-models", help="Show the networks, and end.", rich_help_panel=TRAINING)
    ] = False,
    recipe: Annotated[
        str, typer.Option(help="quick, or original: that of the tutorial's text.", rich_help_panel=TRAINING)
    ] = "quick",
    target: Annotated[
        int,
        typer.Option(metavar="98|99", help="Per cent that reference aims at on MNIST.", rich_help_panel=TRAINING),
    ] = 98,
    data: Annotated[
        Text,
        typer.Option(
            metavar="mnist|DIR",
            help="mnist (downloads it), or a folder with its four files; default: the built-in digits.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    epochs: Annotated[Number, typer.Option(help="Instead of the recipe's.", rich_help_panel=TRAINING)] = None,
    batch_size: Annotated[Number, typer.Option(help="Instead of the recipe's.", rich_help_panel=TRAINING)] = None,
    folds: Annotated[
        Number, typer.Option(help="Parts of a cross-validation; 1: none.", rich_help_panel=TRAINING)
    ] = None,
    validation: Annotated[
        Text,
        typer.Option(
            metavar="test|N", help="Validate on the test set, or on N images held out.", rich_help_panel=TRAINING
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and order.", rich_help_panel=TRAINING)] = 0,
    plot: Annotated[
        File, typer.Option(metavar="FILE", help="Draw loss and accuracy over time.", rich_help_panel=KEEPING)
    ] = None,
    samples: Annotated[
        File,
        typer.Option(metavar="FILE", help="Draw test images with what was told.", rich_help_panel=KEEPING),
    ] = None,
    confusion: Annotated[
        File, typer.Option(metavar="FILE", help="Draw the confusion matrix.", rich_help_panel=KEEPING)
    ] = None,
    csv: Annotated[
        File, typer.Option("--csv", metavar="FILE", help="Write the curves.", rich_help_panel=KEEPING)
    ] = None,
    tensorboard: Annotated[
        File, typer.Option(metavar="DIR", help="Write TensorBoard's event files.", rich_help_panel=KEEPING)
    ] = None,
    python: PythonOption = None,
    require: RequireOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    form: FormatOption = None,
    matrix: MatrixOption = None,
    timeout: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Seconds that one training may take; default: 300, original recipes 14400."),
    ] = None,
    redact: RedactOption = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a small network and prove that convolution works.

    Convolution is held against float64, on the GPU where one is present.

    Exit status: 0 passed, 1 failed or ran on the CPU although a GPU is present, 2 bad usage, 3 inconclusive.

    Examples:
        gpucheck smoke
        gpucheck smoke --framework torch --device gpu   # the GPU or a failure
        gpucheck smoke --model cnn-64 --folds 5 --plot curves.png
    """
    from gpucheck import proving
    from gpucheck.cli.outputs import read_outputs
    from gpucheck.report import keeping
    from gpucheck.report.progress import Progress
    from gpucheck.report.text import console

    if list_models:
        from gpucheck import model_tables
        from gpucheck.report import grid

        emit(lambda: grid.render(model_tables.model_tables(), console(sys.stdout, color.value)))
        raise typer.Exit
    outputs = read_outputs(form)
    if distributed:
        from gpucheck.cli import ranks

        without = {"plot": plot, "samples": samples, "confusion": confusion, "csv": csv, "data": data}
        ranks.take_part(
            outputs=outputs, color=color, redact=redact, verbosity=int(verbose) - int(quiet), without=without,
            framework=framework, python=python, require=require or [], matrix=matrix, fail_on=fail_on.value,
            device=device, all_gpus=all_gpus, compiled=compiled, arithmetic=arithmetic, fix=fix, model=model,
            recipe=recipe, target=target, epochs=epochs, batch_size=batch_size, folds=folds, validation=validation,
            seed=seed, tensorboard=tensorboard, deadline=timeout,
        )  # fmt: skip
    wanted = keeping.Wanted(plot=plot, samples=samples, confusion=confusion, csv=csv)
    wanted.check()
    with Progress(console(sys.stderr, color.value)) as progress:
        report = proving.smoke(
            framework, python, data=data, require=require or [], matrix=matrix, fail_on=fail_on.value,
            listen=progress, device=device, all_gpus=all_gpus, compiled=compiled, arithmetic=arithmetic, fix=fix,
            model=model, recipe=recipe, target=target, epochs=epochs, batch_size=batch_size, folds=folds,
            validation=validation, seed=seed, samples=SAMPLES if samples is not None else 0,
            tensorboard=tensorboard, deadline=timeout,
        )  # fmt: skip
    wanted.keep(report.facts.smoke)
    write(report, outputs=outputs, color=color, redact=redact, verbosity=int(verbose) - int(quiet))
