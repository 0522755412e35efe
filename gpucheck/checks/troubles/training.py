"""What the frameworks say and do: asked, trained, and measured against demands."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import Trouble

TROUBLES: dict[str, Trouble] = {
    "framework-import-failed": Trouble(
        meaning="The framework cannot be imported in a process of its own.",
        remedy="Read the exception; a library or a package is missing, damaged or of the wrong version.",
        follows=("smoke-not-started", "requirement-unmet"),
    ),
    "framework-answer-differs": Trouble(
        meaning="Asked itself (--deep), the framework says otherwise than its files and the driver let expect: "
        "it sees no GPU, or one that should not be there.",
        remedy="Cure the root cause named with it. If there is none, gpucheck may be wrong: please report it.",
        follows=("silent-cpu-fallback", "ran-on-cpu", "smoke-failed"),
    ),
    "smoke-failed": Trouble(
        meaning="The smoke training did not finish: its process failed, crashed or ran out of time.",
        remedy="Read the last lines that it printed; if a root cause is named above, cure that first.",
        follows=("requirement-unmet",),
    ),
    "smoke-not-started": Trouble(
        meaning="The framework could not be imported, or the data not be made: the smoke training failed before "
        "it touched any device, so the GPU and its driver are not the cause.",
        remedy="Read the exception named: a package is missing, damaged or of the wrong version.",
        follows=("requirement-unmet",),
    ),
    "convolution-without-cudnn": Trouble(
        meaning="The training ran on the GPU, but a profile shows that convolution did not go through cuDNN: it "
        "fell back to slower kernels of the framework's own.",
        remedy="Look whether cuDNN is switched off, refused for this card, or of the wrong version.",
    ),
    "silent-cpu-fallback": Trouble(
        meaning="A GPU is present, yet the training ran on the CPU without an error.",
        remedy="Cure the cause named above; `--device cpu` says that the CPU is meant.",
    ),
    "ran-on-cpu": Trouble(
        meaning="The smoke training ran on the CPU. It proves that the framework works, and nothing about a GPU.",
        remedy="Nothing, unless a GPU should have been used.",
    ),
    "convolution-wrong": Trouble(
        meaning="A convolution's numbers are further from the float64 reference than any arithmetic explains.",
        remedy="Compare the library files named with those the framework shipped; test the card's memory.",
        follows=("training-does-not-learn", "weights-not-updated"),
    ),
    "tf32-in-use": Trouble(
        meaning="Convolutions of float32 numbers run in TF32, with 10 bits of mantissa, the frameworks' default "
        "on Ampere and later.",
        remedy="Nothing; for full float32 switch TF32 off in the framework, and see that it is off by "
        "`gpucheck smoke --arithmetic fp32`.",
    ),
    "data-corrupted": Trouble(
        meaning="The training data is not what it should be: it was changed on its way to the device, or its "
        "images are no pictures.",
        remedy="Take the data from its source again; if it changes on its way to a GPU, test the card.",
        follows=("training-does-not-learn",),
    ),
    "labels-shuffled": Trouble(
        meaning="The labels of the training data do not belong to its images: no method can learn them.",
        remedy="Take the data from its source again, or look for what parts labels from their images.",
        follows=("training-does-not-learn",),
    ),
    "weights-not-updated": Trouble(
        meaning="The training ran, but the weights of some or all layers are what they were at its start: the "
        "optimiser's steps, or a gradient, have no effect.",
        remedy="If --device cpu is right, the device or its libraries are at fault; else see what froze them.",
        follows=("training-does-not-learn",),
    ),
    "training-does-not-learn": Trouble(
        meaning="The reference training finished, but its accuracy lies below what every healthy machine reaches.",
        remedy="If convolution is right, repeat with another --seed; if it persists, the device computes wrongly.",
    ),
    "requirement-unmet": Trouble(
        meaning="The machine does not have what --require or the policy demands.",
        remedy="Cure the cause named above, or correct the requirement.",
    ),
    "requirement-undetermined": Trouble(
        meaning="Whether the machine has what --require or the policy demands could not be found out.",
        remedy="See which probe failed and why.",
    ),
    "ignore-expired": Trouble(
        meaning="A policy's ignore is over, or will be within two weeks. What it accepted counts again from "
        "then on.",
        remedy="Cure what was ignored, or write a new date and reason.",
    ),
    "ignore-unused": Trouble(
        meaning="A policy ignores a finding that is not here: it may hide a later one that nobody has looked at.",
        remedy="Take the ignore out of the policy.",
    ),
}
