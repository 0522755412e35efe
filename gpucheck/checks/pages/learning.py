"""Whether a training learns, and whether demands are met."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice

ADVICE: dict[str, Advice] = {
    "data-corrupted": Advice(
        why="The images are read back from the device and compared, and neighbouring pixels must have "
        "something to do with each other. Files that were cut off, read with the wrong shape or type, and "
        "memory or a bus that does not keep what it is given, are the causes.",
        confirm=(
            "`gpucheck smoke` with the built-in digits: if that is right, the files are at fault.",
            "`gpucheck smoke --device cpu` with the same data: if that is right, suspect the way to the card.",
            "`gpucheck smoke --samples digits.png` draws what the network was given.",
        ),
        cures=(
            (
                "any",
                "Take the data from its source again: `gpucheck smoke --data mnist` fetches it and compares "
                "its SHA-256.",
            ),
            (
                "linux",
                "Changed on its way to the GPU: look for Xid and ECC errors (`gpucheck doctor -v`), and test "
                "the card.",
            ),
        ),
        vain=("Another network or more epochs: there is nothing to learn in it.",),
    ),
    "labels-shuffled": Advice(
        why="Images and labels were parted: files of two sets, one of them shuffled or sorted alone, rows "
        "dropped in only one. Every framework then stays at chance, and so does a classifier that uses "
        "none.",
        confirm=(
            "The report names how many digits the nearest mean image tells right: about 10 % is chance.",
            "`gpucheck smoke --samples digits.png` shows images with their labels.",
        ),
        cures=(
            ("any", "Take the data from its source again, both files of one set: `gpucheck smoke --data mnist`."),
            ("any", "In a program of your own: shuffle images and labels by one permutation."),
        ),
        vain=(
            "Another learning rate, network or card: no method can learn labels that do not belong to their "
            "images.",
        ),
    ),
    "weights-not-updated": Advice(
        why="After training the weights of a layer are what they were. No gradient reaches it (frozen, "
        "detached, or a broken backward kernel), the optimiser does not know it, or its steps round to "
        "nothing.",
        confirm=(
            "`gpucheck smoke --device cpu` moves them: then the device or its libraries are at fault.",
            "Other frameworks or networks on the same card: `gpucheck smoke --framework all`, `gpucheck smoke "
            "--model lenet5`.",
        ),
        cures=(
            (
                "any",
                "On the card only: see what `gpucheck doctor` says of cuDNN and memory, and take a fresh "
                "environment.",
            ),
            (
                "any",
                "On the CPU too: something in this environment changes the framework; compare with a fresh one.",
            ),
        ),
        vain=("More epochs: what did not move in one does not move in ten.",),
    ),
    "training-does-not-learn": Advice(
        why="The training came to its end, and its accuracy is below what every healthy machine reached. Data, "
        "labels, weights and convolution are judged by checks of their own; if all are in order, either "
        "the seed was unlucky or something computes wrongly elsewhere.",
        confirm=(
            "`gpucheck smoke --seed 1`, and another one: an unlucky seed does not repeat.",
            "`gpucheck smoke --device cpu` learns.",
            "Convolution, data, labels and weights pass in the same report.",
        ),
        cures=(
            (
                "any",
                "If the CPU learns and the card does not: suspect card or libraries; a fresh environment decides.",
            ),
            (
                "any",
                "In a program of your own, first run `gpucheck smoke`: if that learns, the machine is sound "
                "and the program is not.",
            ),
        ),
        vain=("Changing the learning rate until it learns here: the reference learns everywhere else as it is.",),
    ),
    "requirement-unmet": Advice(
        why="`--require` or a policy demands something, e.g. `gpu>=4`, that this machine does not have.",
        confirm=(
            "`gpucheck doctor --require 'gpu>=1'` names the demand, and what was found instead.",
            "Root causes above it say why it is not there.",
        ),
        cures=(
            ("any", "Cure the cause named above, or correct the demand."),
            ("cluster", "A job sees only what it was given: ask the scheduler for as much as is demanded."),
        ),
    ),
    "requirement-undetermined": Advice(
        why="The fact that the demand is about could not be found out: a probe failed, ran out of time or was "
        "not allowed. That is not a pass; the exit status is 3.",
        confirm=("`gpucheck doctor -v` shows each probe, and why one failed.",),
        cures=(
            ("any", "Give it more time with `--timeout`, or the rights that the probe lacked."),
            ("container", "Some facts belong to the host (its kernel log, its processes): ask there."),
        ),
    ),
    "ignore-expired": Advice(
        why="An ignore needs a last day, so that nobody has to remember it.",
        confirm=("`gpucheck policy check` shows every ignore with its day.",),
        cures=(("any", "Cure what was ignored, or set a new `expires` with a reason that holds today."),),
    ),
    "ignore-unused": Advice(
        why="What was ignored was cured since, or the slug or subject was never right.",
        confirm=("`gpucheck policy check` shows every ignore; `gpucheck doctor -v` shows what is found here.",),
        cures=(
            ("any", "Take the ignore out of the policy. On several kinds of machines: put it into a profile."),
        ),
    ),
}
