"""The output of TensorFlow's `tf_env_collect.sh` of all ages; its section of nvidia-smi is read elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Answer, Fact, Framework, Interpreter, System, absent, blank, seen
from gpucheck.intake import installed, package_lists, platforms
from gpucheck.intake.installed import NOT_SHOWN

if TYPE_CHECKING:
    from gpucheck.facts import Facts
    from gpucheck.intake.installed import Package

    Sections = dict[str, list[str]]

HEADING = re.compile(r"[ \t]*== ?([a-zA-Z][\w/+? -]{1,40}?)[ \t]{0,4}={2,200}[ \t]*$")
TITLES = {
    "check python", "check os platform", "cat /etc/issue", "are we in docker", "in docker container ?", "compiler",
    "c++ compiler", "uname -a", "check pips", "check for virtualenv", "tensorflow import", "env", "nvidia-smi",
    "cuda libs", "tensorflow installed from info", "python version", "python3 version", "bazel version", "os",
    "bazel",
}  # fmt: skip
# Headings that other scripts hardly write.
OWN = {
    "check python", "check os platform", "cat /etc/issue", "are we in docker", "check pips",
    "check for virtualenv", "tensorflow import", "tensorflow installed from info",
}  # fmt: skip
FIRST = {"check python", "cat /etc/issue"}  # of the newer and of the older script
SYSTEMS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}


def read(text: str) -> Facts | None:
    """Return what the last such report in a text shows, or None: the script adds to the file of its last run."""
    sections = _last(text)
    if not set(sections) & OWN and len(sections) < 2:
        return None
    packages = [
        package for line in sections.get("check pips", ()) if (package := package_lists.line(line)) is not None
    ]
    return installed.facts(
        system=_system(sections),
        interpreter=_interpreter(sections),
        frameworks=_frameworks(sections, packages),
        packages=installed.versions(packages, _source("check pips")),
        environment=_environment(sections),
    )


def _source(title: str) -> str:
    return f"tf_env: {title}"


def _last(text: str) -> Sections:
    """The first heading, or one that comes again, begins another report."""
    sections: Sections = {}
    title = None
    for line in text.split("\n"):
        heading = HEADING.match(line)
        name = heading[1].lower() if heading is not None else None
        if name in TITLES:
            sections = {} if name in sections or name in FIRST else sections
            title = name
            sections[title] = []
        elif title is not None:
            sections[title].append(line)
    return sections


def _fields(lines: list[str]) -> dict[str, str]:
    """Read lines ``name: value``."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and value.startswith(" "):
            found.setdefault(name.strip(), value.strip())
    return found


def _system(sections: Sections) -> System:
    known: dict[str, Any] = {}
    for title in ("uname -a", "cat /etc/issue", "os"):
        known |= _by_uname(sections.get(title, []), _source(title))
    known |= _by_platform(_fields(sections.get("check os platform", [])), _source("check os platform"))
    for title in ("are we in docker", "in docker container ?"):
        # "No" only says that its control group is not Docker's.
        if any(line.strip() == "Yes" for line in sections.get(title, ())):
            known["container"] = seen("docker", _source(title))
    if "cuda libs" in sections:
        known["toolkit"] = _toolkit(sections["cuda libs"])
    return blank(System, NOT_SHOWN, **known)


def _by_uname(lines: list[str], source: str) -> dict[str, Any]:
    """Read ``uname -a``; its second word is the host's name, which is nobody's business."""
    for line in lines:
        found = re.match(r"(Linux|Darwin) \S{1,100} (\S{1,100}) ", line)
        if found is None:
            continue
        machine = re.search(rf" {platforms.MACHINES}(?: |$)", line[found.end() - 1 :])
        known = {"os": seen(SYSTEMS[found[1]], source), "kernel": seen(found[2], source)}
        known["wsl"] = platforms.wsl(found[2], source)
        return known | ({"machine": seen(machine[1], source)} if machine else {})
    return {}


def _by_platform(fields: dict[str, str], source: str) -> dict[str, Any]:
    name = SYSTEMS.get(fields.get("os", ""))
    if name is None:
        return {}
    release = fields.get("os release version")
    known: dict[str, Any] = {"os": seen(name, source)}
    if release:
        known |= {"kernel": seen(release, source), "wsl": platforms.wsl(release, source)}
    if fields.get("machine"):
        known["machine"] = seen(fields["machine"], source)
    found = re.match(r"\('([\w .!/-]{1,40})', ?'(\d[\w.]{0,20})'", fields.get("linux distribution", ""))
    distribution = platforms.distribution(f"{found[1]} {found[2]}") if found is not None else None
    if distribution is not None and found is not None:
        known["distribution"] = seen(distribution, source, raw=f"{found[1]} {found[2]}")
    return known


def _toolkit(lines: list[str]) -> Fact[str]:
    """The libraries of the toolkits below /usr/local; which of several is used is not told."""
    files = (re.search(r"/lib(?:64)?/libcudart\.so\.(\d{1,2}\.\d)\.\d{1,4}$", line.strip()) for line in lines)
    found = sorted({file[1] for file in files if file is not None}, key=float)
    if len(found) == 1:
        return seen(found[0], _source("cuda libs"))
    return absent(f"there are several: {', '.join(found)}" if found else NOT_SHOWN, _source("cuda libs"))


def _interpreter(sections: Sections) -> Interpreter:
    known: dict[str, Any] = {}
    version = re.match(
        r"\d\.\d{1,2}\.\d{1,2}", _fields(sections.get("check python", [])).get("python version", "")
    )
    if version is not None:
        known["version"] = seen(version[0], _source("check python"))
    else:
        known |= _version_tuple(sections)
    # The script asks for sys.real_prefix, which virtualenv set and venv does not: False proves nothing.
    if any(line.strip() == "True" for line in sections.get("check for virtualenv", ())):
        known["kind"] = seen("venv", _source("check for virtualenv"))
    return replace(blank(Interpreter, NOT_SHOWN), **known)


def _version_tuple(sections: Sections) -> dict[str, Any]:
    for title in ("python version", "python3 version"):
        for line in sections.get(title, ()):
            found = re.match(r"\((\d), (\d{1,2}), (\d{1,2}), '", line)
            if found is not None:
                return {"version": seen(".".join(found.groups()), _source(title))}
    return {}


def _frameworks(sections: Sections, packages: list[Package]) -> tuple[Framework, ...]:
    """What the import says comes first: pip may belong to another interpreter."""
    listed = next((one for one in installed.frameworks(packages) if one.name == "tensorflow"), None)
    imported = sections.get("tensorflow import", [])
    source = _source("tensorflow import")
    if any(re.search(r"Error: No module named '?tensorflow'?$", line.strip()) for line in imported):
        return (Framework(name="tensorflow", installed=seen(False, source)),)
    known = _shown_by_pip(sections)
    versions = (re.match(r"tf\.(?:version\.)?VERSION = b?'?(\d[\w.+-]{1,40})", line) for line in imported)
    version = next((found[1] for found in versions if found is not None), None)
    if version is not None:
        known |= {"installed": seen(True, source), "version": seen(version, source)}
    elif (error := _import_error(imported)) is not None:
        known |= {"installed": seen(True, source), "answer": seen(Answer(error=error), source)}
    if listed is None and not known:
        return ()
    names = {name: fact for name, fact in _by_list(listed).items() if fact.known}
    return (blank(Framework, NOT_SHOWN, name="tensorflow", **{**names, **known}),)


def _by_list(framework: Framework | None) -> dict[str, Fact[Any]]:
    """Return the facts of a framework that a list of packages may tell."""
    if framework is None:
        return {}
    names = ("installed", "version", "build", "distribution")
    return {name: getattr(framework, name) for name in names}


def _shown_by_pip(sections: Sections) -> dict[str, Any]:
    title = "tensorflow installed from info"
    fields, source = _fields(sections.get(title, [])), _source(title)
    name, version = fields.get("Name"), fields.get("Version", "")
    if name is None or not re.match(r"\d", version):
        return {}
    distribution = seen(f"{name} {version}", source)
    return {"installed": seen(True, source), "version": seen(version, source), "distribution": distribution}


def _import_error(lines: list[str]) -> str | None:
    """Return the exception of an import that failed; what happens after it, tf.Session in 2.x, is none."""
    errors = [line.strip() for line in lines if re.match(r"(?:ImportError|ModuleNotFoundError): \S", line)]
    return errors[0][:500] if errors else None


def _environment(sections: Sections) -> Fact[dict[str, str]]:
    source = _source("env")
    for line in sections.get("env", ()):
        found = re.match(r"LD_LIBRARY_PATH (\S{1,4000})$", line.strip())
        if found is not None:
            return seen({"LD_LIBRARY_PATH": found[1]}, source)
    return absent(NOT_SHOWN)
