"""What a project demands: each requirement on machines that meet it, do not, and of which it cannot be told."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from machine_data import build

from gpucheck import demands, policy
from gpucheck.checks.troubles import TROUBLES
from gpucheck.cli.outputs import last_word
from gpucheck.facts import Facts, Framework, absent, seen
from gpucheck.findings import CheckResult, FailOn, Finding, Severity, Status
from gpucheck.matrix import Matrix
from gpucheck.policy.comparing import met
from gpucheck.policy.shape import schema

SLUGS = frozenset(TROUBLES)
CARD = {"status": 0, "name": "NVIDIA H200", "compute_capability": "9.0", "memory_total": 141 * 2**30,
        "memory_free": 100 * 2**30, "mig": False, "ecc": True}  # fmt: skip


def machine(*, cards: list[dict] | None = None, torch: dict | None = None, **driver) -> Facts:
    """A machine with two H200, and torch for CUDA."""
    known = {"module_loaded": True, "nvml_status": 0, "version": "580.105.08", "driver_cuda": "13.0", **driver}
    framework = {"name": "torch", "installed": True, "version": "2.13.0+cu130", "build": "cuda",
                 "cuda_runtime": "13.0", "cudnn_loaded": "9.20.0", **(torch or {})}  # fmt: skip
    return build({"driver": known, "gpus": [CARD, CARD] if cards is None else cards, "frameworks": [framework]})


def without(**named) -> Facts:
    """The same machine, with some values of driver, card or framework not known."""
    facts = machine()
    gpus = tuple(
        replace(gpu, **{name: absent(why) for name, why in named.items() if hasattr(gpu, name)})
        for gpu in facts.gpus.value
    )
    driver = replace(facts.driver, **{n: absent(why) for n, why in named.items() if hasattr(facts.driver, n)})
    (torch,) = facts.frameworks
    torch = replace(torch, **{name: absent(why) for name, why in named.items() if hasattr(torch, name)})
    python = replace(facts.interpreter, version=absent("x")) if "python" in named else facts.interpreter
    return replace(facts, gpus=seen(gpus, "NVML"), driver=driver, frameworks=(torch,), interpreter=python)


CPU_ONLY = build({"frameworks": [{"name": "torch", "installed": True, "version": "2.13.0+cpu", "build": "cpu"}]})
# A requirement that the machine meets, one that it does not, and the value without which neither can be told.
EACH = {
    "gpu": ("gpu>=2", "gpu>=4", None),
    "driver": ("driver>=550.54", "driver>=590", "version"),
    "driver-cuda": ("driver-cuda>=12.4,<14", "driver-cuda>=13.1", "driver_cuda"),
    "cuda-runtime": ("cuda-runtime~=13.0", "cuda-runtime~=12.6", "cuda_runtime"),
    "cudnn": ("cudnn>=9.1,<10", "cudnn<9", "cudnn_loaded"),
    "compute-capability": ("compute-capability>=8.0", "compute-capability>=10", "compute_capability"),
    "gpu-memory": ("gpu-memory>=39GiB", "gpu-memory>=180GiB", "memory_total"),
    "gpu-memory-free": ("gpu-memory-free>=39GiB", "gpu-memory-free>=120GB", "memory_free"),
    "python": ("python>=3.10,<3.14", "python<3.12", "python"),
    "torch": ("torch>=2.9", "torch>=2.14", "version"),
    "torch-build": ("torch-build=cuda", "torch-build=rocm", "build"),
    "mig": ("mig=off", "mig=on", "mig"),
    "ecc": ("ecc=on", "ecc=off", "ecc"),
    "homogeneous": ("homogeneous", None, "name"),
}


def status(text: str, facts: Facts, missing: str = "fail") -> Status:
    (result,) = policy.judged([policy.parse_requirement(text)], facts, policy.MissingGpu(missing))
    assert result.reason
    return result.status


@pytest.mark.parametrize("name", EACH)
def test_each_requirement_met_unmet_and_undetermined(name: str) -> None:
    holds, fails, field = EACH[name]
    assert status(holds, machine()) is Status.PASS
    if fails is not None:
        assert status(fails, machine()) is Status.FAIL
    if field is not None:
        assert status(holds, without(**{field: "NVML said nothing"})) is Status.UNKNOWN
    assert name in policy.NAMES


@pytest.mark.parametrize("name", EACH)
def test_each_requirement_gates_with_its_reason(name: str) -> None:
    """Whatever else is found: never lets only the demands count."""
    holds, fails, field = EACH[name]
    unknown = without(**{field: "NVML said nothing"}) if field else None
    for text, facts, expected in ((holds, machine(), 0), (fails, machine(), 1), (holds, unknown, 3)):
        if text is None or facts is None:
            continue
        report = demands.read([text]).report(facts, Matrix(), FailOn.NEVER)
        if expected == 0:
            assert report.exit_status in (0, 3)  # 3: of what else is not known of so bare a machine
            assert not [one for one in report.checks if one.family == "policy" and one.status is not Status.PASS]
        else:
            assert report.exit_status == expected
            last = last_word(report) or ""
            assert last.startswith(f"gpucheck: exit {expected}: ")
            assert text in last


def test_every_name_is_tried() -> None:
    assert set(policy.NAMES) - set(EACH) == {"tensorflow", "tensorflow-build"}
    assert status("tensorflow>=2.20", machine()) is Status.UNKNOWN  # nobody looked for it
    none = replace(machine(), frameworks=(Framework(name="tensorflow", installed=seen(False, "files")),))
    for text in ("tensorflow>=2.20", "tf>=2.20", "tf-build=cuda"):
        assert status(text, none) is Status.FAIL
    assert status("homogeneous", machine(cards=[CARD, {**CARD, "name": "NVIDIA L40S"}])) is Status.FAIL
    assert status("gpu>=1", replace(machine(), gpus=absent("no answer"))) is Status.UNKNOWN


@pytest.mark.parametrize("name", EACH)
def test_a_machine_without_a_gpu_fails_is_skipped_or_warned_about(name: str) -> None:
    holds, _, _ = EACH[name]
    of_gpu = name not in ("python", "torch", "tensorflow")
    assert status(holds, CPU_ONLY) is (Status.FAIL if of_gpu else Status.PASS)
    assert status(holds, CPU_ONLY, "skip") is (Status.SKIP if of_gpu else Status.PASS)
    (warned,) = policy.judged([policy.parse_requirement(holds)], CPU_ONLY, policy.MissingGpu.WARN)
    assert {one.severity for one in warned.findings} == ({Severity.WARN} if of_gpu else set())


# gating-speed-fixes.md A.4: what packaging, NVIDIA and the frameworks write as versions.
TRAPS = {
    ("driver-cuda>=12.4,<14", "13"): True,
    ("driver>=535", "535.288.01-grid"): True,
    ("driver>=535", "nv24.06"): None,
    ("driver>=535.54.03", "535.54.03"): True,
    ("torch>=2.13", "2.13.0+cpu"): True,
    ("torch==2.13.0", "2.13.0+cu126"): True,
    ("torch>2.13.0", "2.13.0+cu126"): False,
    ("torch>=2.9", "2.10.0a0+b4e4ee81d3.nv25.11"): True,
    ("torch>=2.14", "2.15.0rc1"): True,
    ("cudnn>=9.1", "91002"): True,
    ("cudnn>=9.11", "91002"): False,
    ("cudnn>=8.9,<9", "8905"): True,
    ("cuda-runtime~=12.6", "12.8"): True,
    ("cuda-runtime~=12.6", "13.0"): False,
}


@pytest.mark.parametrize("trap", TRAPS, ids=" ".join)
def test_version_traps(trap: tuple[str, str]) -> None:
    text, value = trap
    requirement = policy.parse_requirement(text)
    if requirement.name == "driver":
        expected = {True: Status.PASS, False: Status.FAIL, None: Status.UNKNOWN}[TRAPS[trap]]
        assert status(text, machine(version=value)) is expected
    else:
        assert met(requirement, value) is TRAPS[trap]


def test_a_prerelease_can_be_refused() -> None:
    wanted = replace(policy.parse_requirement("torch>=2.9"), prereleases=False)
    assert met(wanted, "2.10.0a0") is False
    assert met(wanted, "2.10.0") is True


WRONG = {
    "gpu": "quote it: 'gpu>=4'",
    "gpus>=4": "did you mean 'gpu'?",
    "gpu>=four": "a whole number and a comparison are wanted",
    "driver": "quote it: 'driver>=12.4'",
    "driver-cuda 12.4": "write 'driver-cuda==12.4.*'",
    "torch-build=coda": "one of cuda, cpu, rocm is wanted",
    "torch>=": "is no comparison",
    "torch>=two": "a version and a comparison of PEP 440 are wanted",
    "gpu-memory>=39": "a size with its unit",
    "homogeneous=true": "is written alone",
    "": "write a name",
    "gpu>=1,": "is no comparison",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_requirement_says_what_to_write(text: str) -> None:
    with pytest.raises(policy.PolicyError) as error:
        policy.parse_requirement(text)
    assert WRONG[text] in str(error.value)
    assert "\n" not in str(error.value)


WHOLE = """
fail-on = "warn"
on-missing-gpu = "skip"
[require]
driver = ">=550.54"
driver-cuda = ">=12.4,<14"
cuda-runtime = ">=12.6"
cudnn = ">=9.1,<10"
python = ">=3.10,<3.14"
forbid-environment = ["LD_PRELOAD"]
[require.gpu]
count = ">=1,<=8"
names = ["NVIDIA H*", "NVIDIA A100*"]
memory = ">=39GiB"
compute-capability = ">=8.0"
homogeneous = true
ecc = "any"
mig = "off"
[require.torch]
version = ">=2.12,<2.16"
build = "cuda"
[require.tensorflow]
optional = true
version = "==2.21.*"
[require.environment]
TF_FORCE_GPU_ALLOW_GROWTH = "true"
[severity]
gpu-throttled = "info"
[[ignore]]
slug = "xid-error"
reason = "ticket GPU-12"
expires = 2099-01-31
[profile.cpu]
on-missing-gpu = "fail"
[profile.cpu.require.gpu]
count = 0
"""


def written(tmp_path: Path, text: str, name: str = "gpucheck.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_policy(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    read = policy.load(path, known=SLUGS)
    variables = seen({"TF_FORCE_GPU_ALLOW_GROWTH": "true"}, "environment")
    none = Framework(name="tensorflow", installed=seen(False, "files"))
    facts = replace(machine(), environment=variables, frameworks=(*machine().frameworks, none))
    results = policy.judged(read.requirements, facts)
    assert {one.subject: one.status for one in results if one.status is not Status.PASS} == {
        "tensorflow==2.21.*": Status.SKIP
    }
    assert len(results) == 16
    assert (read.fail_on, read.on_missing_gpu) == ("warn", "skip")
    assert read.severity == {"gpu-throttled": Severity.INFO}
    assert next(one.place for one in read.requirements if one.name == "driver") == f"{path}:5"
    cpu = policy.load(path, "cpu", SLUGS)
    assert cpu.on_missing_gpu == "fail"
    assert next(one.text for one in cpu.requirements if one.name == "gpu") == "gpu==0"
    import tomli

    jsonschema.Draft202012Validator(schema()).validate(tomli.loads(WHOLE))


def test_in_pyproject_and_found_upwards(tmp_path: Path) -> None:
    text = "[project]\nname = 'x'\n[tool.gpucheck.require]\ndriver = '>=550'\n"
    path = written(tmp_path, text, "pyproject.toml")
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    assert policy.find(below) == path
    (one,) = policy.load(path).requirements
    assert one.place == f"{path}:4"
    own = written(tmp_path / "a", "fail-on = 'warn'\n")
    assert policy.find(below) == own
    written(below, "[tool.other]\n", "pyproject.toml")
    assert policy.find(below) == own


def test_what_a_policy_extends_comes_first(tmp_path: Path) -> None:
    base = "fail-on = 'warn'\n[require]\ndriver = '>=550'\npython = '>=3.10'\n"
    written(tmp_path, base, "team.toml")
    path = written(tmp_path, "extends = 'team.toml'\n[require]\ndriver = '>=580'\n")
    read = policy.load(path)
    assert [one.text for one in read.requirements] == ["driver>=580", "python>=3.10"]
    assert read.requirements[1].place == f"{tmp_path / 'team.toml'}:4"
    assert read.fail_on == "warn"


BROKEN = {
    "[requires]\n": ":1: requires: unknown key 'requires'; did you mean 'require'?",
    "[require]\n\ndrivers = '>=1'\n": ":3: require.drivers: unknown key 'drivers'; did you mean 'driver'?",
    "[require]\ndriver = 550\n": ":2: require.driver: must be comparisons in quotes",
    "[require]\ndriver = '550'\n": ":2: 'driver550': a comparison is missing",
    "[require.gpu]\ncount = true\n": ":2: require.gpu.count: must be a whole number",
    "[require.torch]\nbuild = 'gpu'\n": ":2: require.torch.build: must be one of cuda, cpu, rocm, any, found",
    "fail-on = 'never ever'\n": ":1: fail-on: must be one of error, warn, info, never",
    "[severity]\ngpu-lots = 'info'\n": ":2: there is no finding 'gpu-lots'; did you mean 'gpu-lost'?",
    "[[ignore]]\nslug = 'gpu-lost'\nreason = 'x'\n": ":1: ignore: the key 'expires' is missing",
    "[[ignore]]\nslug = 'gpu-lost'\nreason = 'x'\nexpires = '2030-01-01'\n": ":4: ignore.expires: must be a date",
    "extends = 'nowhere.toml'\n": ":1: extends: there is no file",
    "extends = 'gpucheck.toml'\n": ":1: extends: gpucheck.toml leads back to this file",
    "extends = 'https://x/y.toml'\n": ":1: extends: a file beside this one is wanted",
    "require = 1\n": ":1: require: must be a table",
    "x = [\n": "is not valid TOML",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_wrong_policy_says_file_line_key_and_reason(gpucheck, tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(policy.PolicyError) as error:
        policy.load(path, known=SLUGS)
    assert BROKEN[text] in str(error.value)
    assert str(error.value).startswith(str(path))
    for command in (("doctor",), ("policy", "check")):
        ran = gpucheck(*command, cwd=tmp_path)
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert BROKEN[text] in ran.err


def finding(slug: str, severity: Severity = Severity.ERROR) -> CheckResult:
    one = Finding(slug=slug, severity=severity, title="t", cause="c")
    return CheckResult(name="x", family="y", status=Status.FAIL, reason="r", findings=(one,))


def test_severities_and_ignores(tmp_path: Path) -> None:
    read = policy.load(written(tmp_path, WHOLE), known=SLUGS)
    today = datetime.date(2026, 11, 25)
    lowered, ignored = policy.adjusted([finding("gpu-throttled"), finding("xid-error")], read, today)
    assert lowered.findings[0].severity is Severity.INFO
    assert ignored.findings[0].severity is Severity.INFO
    assert "Ignored until 2099-01-31 (ticket GPU-12)" in ignored.findings[0].cause


@pytest.mark.parametrize(
    ("day", "slug"),
    [((2098, 1, 1), None), ((2099, 1, 20), "ignore-expired"), ((2099, 2, 1), "ignore-expired")],
)
def test_an_ignore_ends(tmp_path: Path, day: tuple[int, int, int], slug: str | None) -> None:
    read = policy.load(written(tmp_path, WHOLE), known=SLUGS)
    results = policy.adjusted([finding("xid-error")], read, datetime.date(*day))
    over = day > (2099, 1, 31)
    assert results[0].findings[0].severity is (Severity.ERROR if over else Severity.INFO)
    assert [one.slug for result in results[1:] for one in result.findings] == ([slug] if slug else [])


def test_an_ignore_that_fits_nothing_is_told(tmp_path: Path) -> None:
    read = policy.load(written(tmp_path, WHOLE), known=SLUGS)
    (told,) = policy.adjusted([], read, datetime.date(2026, 1, 1))
    assert told.findings[0].slug == "ignore-unused"
    assert told.findings[0].place == f"{read.path}:29"


# On the command line.
FORMATS = ("text", "json", "markdown", "html", "github", "junit", "sarif", "gitlab", "nagios", "prometheus")
GATES = {1: "gpu>=1", 3: "driver-cuda>=12", 0: "python>=3.8"}


@pytest.fixture(scope="module")
def undetermined(tmp_path_factory) -> Path:
    """A report of a machine with a GPU whose driver CUDA is not known."""
    from gpucheck.facts import to_json

    path = tmp_path_factory.mktemp("reports") / "facts.json"
    path.write_text(json.dumps(to_json(without(driver_cuda="not told", version="not told"))))
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_the_reason_is_the_last_line_on_stderr_in_every_format(gpucheck, undetermined: Path, form: str) -> None:
    ran = gpucheck("doctor", "--format", form, "--require", "gpu>=9", "--from", undetermined)
    last = ran.err.splitlines()[-1]
    assert (ran.status, last) == (1, "gpucheck: exit 1: gpu>=9 is demanded, and here is: 2")
    ran = gpucheck("doctor", "--format", form, "--require", "driver-cuda>=12", "--from", undetermined)
    assert (ran.status, ran.err.splitlines()[-1]) == (3, "gpucheck: exit 3: driver-cuda>=12: not told")


def test_all_unmet_requirements_are_named(gpucheck, undetermined: Path) -> None:
    wanted = ("--require", "gpu>=9", "--require", "python<3.8", "--require", "python>=3.8")
    report = gpucheck("doctor", "--format", "json", *wanted, "--from", undetermined).report
    unmet = [one["subject"] for one in report["findings"] if one["slug"] == "requirement-unmet"]
    assert unmet == ["gpu>=9", "python<3.8"]


def test_several_formats_from_one_run(gpucheck, tmp_path: Path) -> None:
    forms = [word for form in FORMATS[1:] for word in ("--format", f"{form}={form}.out")]
    ran = gpucheck("doctor", "--format", "text", *forms, cwd=tmp_path)
    assert ran.status == 0
    assert "matrix of" in ran.out
    assert {path.name for path in tmp_path.iterdir()} == {f"{form}.out" for form in FORMATS[1:]}
    assert json.loads((tmp_path / "json.out").read_text())["exit_status"] == 0


OUTPUTS = {
    ("--format", "jason"): "did you mean 'json'?",
    ("--format", "json", "--format", "text"): "json and text both go to stdout",
    ("--format", "json=no/such/a.json"): "the folder no/such is not there",
    ("--format", "json="): "a file is missing after the =",
    ("--format", "json=a", "--format", "html=a"): "two reports go into one file",
    ("--policy", "x.toml", "--no-policy"): "exclude each other",
    ("--policy", "nowhere.toml"): "nowhere.toml: cannot be read",
    ("--profile", "ci"): "there is no policy that could have it",
    ("--on-missing-gpu", "perhaps"): "fail, skip or warn expected",
}


@pytest.mark.parametrize("options", OUTPUTS, ids=" ".join)
def test_wrong_use_is_told_before_anything_is_probed(gpucheck, tmp_path: Path, options: tuple[str, ...]) -> None:
    ran = gpucheck("doctor", *options, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert OUTPUTS[options] in ran.err
    assert list(tmp_path.iterdir()) == []


def test_the_nearest_policy_gates_and_can_be_left_out(gpucheck, tmp_path: Path) -> None:
    written(tmp_path, "[require.gpu]\ncount = '>=1'\n")
    inside = tmp_path / "src"
    inside.mkdir()
    assert gpucheck("doctor", cwd=inside).status == 1
    assert gpucheck("doctor", "--no-policy", cwd=inside).status == 0
    skipped = gpucheck("doctor", "--on-missing-gpu", "skip", cwd=inside)
    assert skipped.status == 0
    assert "1 requirement skipped" in skipped.out
    assert gpucheck("doctor", "--on-missing-gpu", "warn", cwd=inside).status == 0


def test_a_first_policy_is_met_by_its_own_machine(gpucheck, tmp_path: Path) -> None:
    assert gpucheck("policy", "init", cwd=tmp_path).status == 0
    assert gpucheck("doctor", cwd=tmp_path).status == 0
    again = gpucheck("policy", "init", cwd=tmp_path)
    assert (again.status, "is there already" in again.err) == (2, True)
    shown = gpucheck("policy", "check", cwd=tmp_path)
    assert shown.status == 0
    assert "gpucheck.toml:" in shown.out
    assert policy.load(tmp_path / "gpucheck.toml", known=SLUGS).requirements


def test_a_workflow_gets_its_step_summary(gpucheck, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    ran = gpucheck("doctor", "--format", "github", "--require", "gpu>=1",
                   env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})  # fmt: skip
    assert ran.status == 1
    assert ran.out.startswith("::error title=gpucheck requirement-unmet")
    text = summary.read_text()
    assert text.startswith("before\n")
    assert "requirement-unmet" in text


def test_nagios_statuses(gpucheck, undetermined: Path) -> None:
    style = ("--exit-style", "nagios", "--format", "nagios", "--from", undetermined)
    assert gpucheck("doctor", *style, "--require", "gpu>=9").status == 2
    assert gpucheck("doctor", *style, "--require", "driver-cuda>=12").status == 3
