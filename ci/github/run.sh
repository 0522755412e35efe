#!/usr/bin/env bash
# The steps of action.yml: run.sh install|doctor|smoke. Inputs are environment variables; each stays one word, and
# nothing of them is run. Written for bash 3.2 too, which macOS has.
set -euo pipefail

tool=$RUNNER_TEMP/gpucheck
bin=$tool/bin
[ ! -d "$tool/Scripts" ] || bin=$tool/Scripts # Windows

stop() {
  echo "::error title=gpucheck::$1" >&2
  exit 2
}

# The path of the interpreter that is looked into; a shim of pyenv or asdf is followed.
looked_into() {
  "${INPUT_PYTHON:-python}" -c 'import sys; sys.stdout.write(sys.executable)' ||
    stop "the input python names no interpreter that starts"
}

# An environment of its own: what is looked into stays as it is.
install() {
  local python version=${INPUT_VERSION:-} package=$GITHUB_ACTION_PATH
  python=$(looked_into)
  if [ -n "$version" ]; then
    [[ $version =~ ^[0-9][0-9A-Za-z.+!]*$ ]] || stop "the input version is no version"
    package=gpucheck-doctor==$version
  fi
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || stop "gpucheck needs Python 3.10 or newer"
  "$python" -m venv "$tool"
  bin=$tool/bin
  [ ! -d "$tool/Scripts" ] || bin=$tool/Scripts
  "$bin/python" -m pip install --quiet --disable-pip-version-check "$package"
}

# Runs gpucheck once and hands out what it says: log, summary, outputs, exit status.
report() {
  local status=0 verdict="" before json=$RUNNER_TEMP/gpucheck-$1.json summary=$RUNNER_TEMP/gpucheck-$1.md
  rm -f "$json" "$summary"
  before=$(wc -c <"$GITHUB_STEP_SUMMARY")
  "$bin/gpucheck" "$@" --format="json=$json" --format="markdown=$summary" || status=$?
  # --format github may have written it already. Of a summary longer than 1 MiB nothing would be shown.
  if [ -s "$summary" ] && [ "$(wc -c <"$GITHUB_STEP_SUMMARY")" = "$before" ]; then
    head -c 900000 "$summary" >>"$GITHUB_STEP_SUMMARY"
  fi
  if [ -s "$json" ]; then
    verdict=$("$bin/python" -c 'import json, sys; sys.stdout.write(json.load(open(sys.argv[1]))["verdict"])' "$json")
  fi
  printf 'verdict=%s\nexit-status=%s\n' "$verdict" "$status" >>"$GITHUB_OUTPUT"
  return "$status"
}

doctor() {
  local python words line
  python=$(looked_into)
  words=(doctor --python="$python")
  while IFS= read -r line; do
    [ -z "$line" ] || words+=(--require="$line")
  done <<<"${INPUT_REQUIRE:-}"
  [ -z "${INPUT_POLICY:-}" ] || words+=(--policy="$INPUT_POLICY")
  [ -z "${INPUT_ON_MISSING_GPU:-}" ] || words+=(--on-missing-gpu="$INPUT_ON_MISSING_GPU")
  while IFS= read -r line; do
    [ -z "$line" ] || words+=(--format="$line")
  done <<<"${INPUT_FORMATS:-github}"
  report "${words[@]}"
}

smoke() {
  local python
  python=$(looked_into)
  report smoke --python="$python" --framework="$INPUT_FRAMEWORK" --format=text
}

case ${1:-} in
  install | doctor | smoke) "$1" ;;
  *) stop "run.sh install|doctor|smoke" ;;
esac
