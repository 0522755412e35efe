"""What a program itself does wrong, or meets, while it runs."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import TF_GPU, TF_MIGRATE, TORCH_CUDA, TORCH_MULTIPROCESSING, issue

ADVICE: dict[str, Advice] = {
    "memory-growth-mixed": Advice(
        why="TensorFlow holds one setting for all visible GPUs and checks it when the first operation starts, "
        "far from the line that set it for one card only. Most recipes write `gpus[0]`, so this appears "
        "when a second card is put in.",
        confirm=(
            "The traceback ends in `Memory growth cannot differ between GPU devices`.",
            "The program calls `set_memory_growth` once and `tf.config.list_physical_devices('GPU')` is longer "
            "than one.",
        ),
        cures=(
            (
                "any",
                "Set it for all: `for gpu in tf.config.list_physical_devices('GPU'): "
                "tf.config.experimental.set_memory_growth(gpu, True)`.",
            ),
            ("any", "Or call `gpucheck.apply()` at the top of the program."),
            ("any", "Or show it one GPU: `gpucheck run --gpus 1 -- COMMAND`."),
        ),
        vain=(
            "`TF_FORCE_GPU_ALLOW_GROWTH=true` alone: the part that refuses does not look at it (measured with "
            "2.21.0).",
        ),
        references=(TF_GPU,),
    ),
    "memory-growth-late": Advice(
        why="TensorFlow starts its GPUs at the first operation; after that the setting is fixed. "
        "`tf.constant`, a layer, or a library that asks for the logical devices is an operation. Importing "
        "TensorFlow and listing the physical devices are not.",
        confirm=(
            "`Physical devices cannot be modified after being initialized` at the line that sets growth.",
            "Something before that line creates a tensor, a dataset or a model.",
        ),
        cures=(
            (
                "any",
                "Move the lines that set it to the top, straight after the import; or `gpucheck.apply()` there.",
            ),
            (
                "any",
                "Or set the variable before the program starts, which changes no code: `gpucheck run -- COMMAND`.",
            ),
            ("notebook", "Restart the kernel; a cell that ran before counts."),
        ),
        vain=(
            "`tf.compat.v1.ConfigProto` in TensorFlow 2: the eager context does not look at a session that is "
            "never made.",
        ),
        references=(TF_GPU,),
    ),
    "memory-growth-lost-to-limit": Advice(
        why="A logical device with a memory limit and memory growth exclude each other. Where a limit is set "
        "on any GPU, TensorFlow drops growth on all of them without a word; the other way round it refuses.",
        confirm=(
            "`Cannot set memory growth on device when virtual devices configured`, or TensorFlow takes all "
            "memory of a card though growth was switched on.",
            "The program calls `set_logical_device_configuration` or the older "
            "`set_virtual_device_configuration`.",
        ),
        cures=(
            ("any", "Decide for one of the two: a limit on every GPU, or growth on every GPU."),
            ("any", "To share one card between two programs take limits that add up to less than its memory."),
        ),
        vain=("Growth for the other GPUs only: a limit on one is enough to lose it.",),
        references=(TF_GPU,),
    ),
    "visible-devices-late": Advice(
        why="The driver reads CUDA_VISIBLE_DEVICES once, when CUDA starts in a process; a later change of "
        "`os.environ` shows only in what Python prints. CUDA does not survive a fork either: a child made "
        "by fork after CUDA has started cannot use it.",
        confirm=(
            "`Visible devices cannot be modified after being initialized` (TensorFlow) or `Cannot "
            "re-initialize CUDA in forked subprocess` (PyTorch).",
            "The variable is set after the first use of a GPU; in a notebook, in a cell after it.",
            "A fork: something used CUDA in the parent, e.g. `torch.cuda.is_available()` at the top of a "
            "module, before workers were made.",
        ),
        cures=(
            (
                "any",
                "Set it before the program starts: `gpucheck run --devices 0,1 -- COMMAND`; or at its very top "
                "by `gpucheck.apply(visible=[0, 1])`.",
            ),
            (
                "any",
                "Start workers by spawn: `torch.multiprocessing.set_start_method('spawn')`; vLLM: "
                "`VLLM_WORKER_MULTIPROCESSING_METHOD=spawn`.",
            ),
            ("notebook", "Restart the kernel and set it in the first cell."),
        ),
        vain=("Setting the variable again, or another one: the process has read it.",),
        references=(
            TORCH_MULTIPROCESSING,
            issue("vllm-project/vllm", 12189, "CUDA started before the fork"),
        ),
    ),
    "cudnn-init-failed": Advice(
        why="The same few words have several causes. Most often no memory is left for cuDNN's handle, because "
        "TensorFlow took all of it or another program did. Else the loaded cuDNN is of another version, "
        "the driver is too old, the card is not in the binary, or another framework loaded its libraries "
        "first.",
        confirm=(
            "Read the lines before it, in this order. `Loaded runtime CuDNN library: A but source was compiled "
            "with: B`: cudnn-version-mismatch.",
            "`CUDA_ERROR_OUT_OF_MEMORY`, `ALLOC_FAILED` or `failed to allocate` before it: memory.",
            "`Possibly insufficient driver version`: driver-too-old. `CUDA_ERROR_INVALID_PTX` or "
            "`CUDA_ERROR_INVALID_IMAGE`: the card.",
            "`gpucheck smoke --framework tf` runs the same kind of training, then once more under each cure, "
            "and says which one helped.",
        ),
        cures=(
            (
                "any",
                "`gpucheck run -- COMMAND` switches memory growth on for all GPUs; end what else holds memory "
                "(`nvidia-smi`).",
            ),
            ("any", "If growth does not help, compare versions by file: `gpucheck doctor`."),
            ("notebook", "Restart all kernels that use the GPU."),
        ),
        vain=(
            "Memory growth as the answer to every such message: on one card with 16 GB and a batch of 1 it did "
            "not help, and the cause was never found.",
            "`tf.ConfigProto` with `allow_growth`, from recipes for TensorFlow 1: it does not exist in "
            "TensorFlow 2.",
            "Downgrading TensorFlow: it sometimes moves the trouble, and the old cuDNN stays.",
        ),
        references=(
            issue("tensorflow/tensorflow", 24496, "many who were helped by growth, and some who were not"),
            issue("tensorflow/tensorflow", 29632, "right versions, too little memory"),
        ),
    ),
    "cublas-not-initialized": Advice(
        why="Making a cuBLAS handle needs some memory and is often the first call that waits for the GPU. So "
        "it fails when memory is used up, and it reports what an earlier kernel did wrong, such as an "
        "index out of range. Seldom its version does not fit the driver.",
        confirm=(
            "`nvidia-smi` just before: is memory free?",
            "Run again with `CUDA_LAUNCH_BLOCKING=1`: if another error comes first, that is the cause; an "
            "`Indexing.cu ... Assertion` line means device-side-assert.",
            "`gpucheck smoke --framework torch` passes: then the installation is sound.",
        ),
        cures=(
            ("any", "`gpucheck run --gpus 1 -- COMMAND` takes the freest card and switches memory growth on."),
            ("any", "A smaller batch, or end what else holds the memory."),
        ),
        vain=(
            "Installing CUDA again: seldom the cause.",
            "Blaming the NUMA line that often stands near it: that one is harmless.",
        ),
        references=(
            issue("tensorflow/tensorflow", 30912, "cuBLAS and memory"),
            issue("ggml-org/llama.cpp", 10080, "a larger batch leaves no memory for cuBLAS"),
        ),
    ),
    "cublas-alloc-failed": Advice(
        why="cuBLAS asks for memory of its own when its handle is made. If the program has taken the rest, "
        "that fails first and looks like a fault of cuBLAS. CUDA works asynchronously, so an index that is "
        "out of range in an embedding can surface here too.",
        confirm=(
            "Run again with `CUDA_LAUNCH_BLOCKING=1`, or on the CPU: an index out of range then shows at its "
            "own line, see device-side-assert.",
            "`nvidia-smi` while it runs: does memory grow to the limit before it fails?",
            "A batch of 1 passes: then it is memory.",
        ),
        cures=(
            (
                "any",
                "A smaller batch or shorter sequences, fewer calibration samples when quantising; end what "
                "else holds memory.",
            ),
            (
                "any",
                "Out of range: make the embedding as large as the largest token id plus one, or correct the ids.",
            ),
            ("any", "`gpucheck run --gpus 1 -- COMMAND` takes the freest card."),
        ),
        vain=("Another version of cuBLAS or CUDA: in the reports that we read it was memory or an index.",),
        references=(TORCH_CUDA,),
    ),
    "device-side-assert": Advice(
        why="Kernels check their input on the GPU. A class label that the network has no output for, or a "
        "token id that the embedding has no row for, stops the kernel; every later call on this GPU then "
        "fails too, and the traceback points to one of those.",
        confirm=(
            "`CUDA_LAUNCH_BLOCKING=1 python train.py` shows the line that started the kernel.",
            "On the CPU the same step raises a plain IndexError with the index in it.",
            "Lines such as `Indexing.cu ... Assertion ... failed` above the traceback name the operation.",
        ),
        cures=(
            (
                "any",
                "Compare labels with the number of outputs: they must lie from 0 to outputs - 1. Labels that "
                "begin at 1, and -1 for unlabelled, are the usual cases.",
            ),
            ("any", "Compare token ids with the size of the embedding."),
            ("notebook", "Restart the kernel after it: the GPU is unusable in this process."),
        ),
        vain=("A smaller batch, another driver or CUDA: the data or the network is wrong.",),
        references=(
            TORCH_CUDA,
            issue("sgl-project/sglang", 2312, "the message in an inference server"),
        ),
    ),
    "illegal-memory-access": Advice(
        why="A kernel used an address that it does not own: mostly a custom kernel or extension with wrong "
        "sizes, sometimes a library that was built for another version of its partner. Everything after it "
        "on this GPU fails, NCCL included, so the last lines rarely name the cause.",
        confirm=(
            "`CUDA_LAUNCH_BLOCKING=1 python train.py` shows the call.",
            "`compute-sanitizer python train.py` names the kernel and the address; it is slow.",
            "`sudo dmesg | grep -i xid`: 13 and 31 go with this; others mean the card, see xid-error.",
            "`gpucheck smoke` passes: then the installation is sound.",
        ),
        cures=(
            (
                "any",
                "Leave out extensions one by one (attention kernels, quantisation, compiled code); update the "
                "one at fault or build it for this PyTorch.",
            ),
            ("any", "Report it there with the shortest program that shows it."),
        ),
        vain=("Treating a later `busy or unavailable` or NCCL error as the cause: they follow from it.",),
        references=(
            issue("sgl-project/sglang", 3574, "an inference server"),
            issue("vllm-project/vllm", 19890, "NCCL repeats it"),
        ),
    ),
    "removed-api": Advice(
        why="The program was written for an older TensorFlow, Keras or NumPy, and calls what is gone: "
        "`tf.placeholder`, `tf.Session`, `tf.ConfigProto` and `tf.contrib` (TensorFlow 2), `lr=` in Keras' "
        "optimisers, `predict_classes`, `multi_gpu_model`, `np.float` and `np.bool8`. Some advice names "
        "functions that never existed, such as `tf.set_visible_devices`. Neither GPU nor driver is "
        "concerned.",
        confirm=(
            "The last line is `AttributeError: module 'tensorflow' has no attribute ...`, `module 'numpy' has "
            "no attribute ...`, or `Argument(s) not recognized`.",
            "`python -m pip list | grep -i -e tensorflow -e keras -e numpy` against the year of the program.",
        ),
        cures=(
            (
                "any",
                "Change the call: `tf.compat.v1.placeholder` and the like with "
                "`tf.compat.v1.disable_v2_behavior()`; `learning_rate=` for `lr=`; `float` for `np.float`; "
                "`tf.config.set_visible_devices`.",
            ),
            (
                "any",
                "GPU settings of TensorFlow 1 (`ConfigProto`, `allow_growth`) become "
                "`tf.config.experimental.set_memory_growth`, or `gpucheck run -- COMMAND` without any change.",
            ),
            ("any", "Old Keras code: tf-keras with `TF_USE_LEGACY_KERAS=1`, see keras-mismatch."),
            (
                "any",
                "Or run the program in an environment with the versions that it was written for; `gpucheck "
                "matrix check` tells whether they still run on this driver and card.",
            ),
        ),
        vain=(
            "Downgrading the whole GPU environment for one line: old TensorFlow releases have no code for "
            "today's cards.",
        ),
        references=(TF_MIGRATE,),
    ),
}
