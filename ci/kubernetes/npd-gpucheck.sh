#!/bin/sh
# node-problem-detector's plugin: 0 no problem, 1 a problem, 2 it cannot be told. A gpucheck that cannot even start prints
# nothing on stdout, and is no problem of the node.

GPUCHECK=/opt/gpucheck/bin/gpucheck
said=$("$GPUCHECK" doctor --format=npd --exit-style=npd --no-policy --timeout=10)
status=$?
[ -n "$said" ] || { echo "gpucheck could not be run"; exit 2; }
printf '%s\n' "$said"
exit "$status"
