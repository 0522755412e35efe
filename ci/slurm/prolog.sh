#!/bin/sh
# Slurm's Prolog: keeps a job from a node that is certainly broken.
# In slurm.conf: Prolog=/etc/slurm/gpucheck-prolog.sh
# Of several prologs: Prolog=/etc/slurm/prolog.d/*

GPUCHECK=/opt/gpucheck/bin/gpucheck
# The same demands as in gpucheck-healthcheck.sh, whose last good word is believed for --max-age.
# Without --act every job begins, and the log says which would not have.
OPTIONS="--cap 5% --max-age 10m"

# slurmd starts it without PATH, and drains the node if it fails. So only a 20 of gpucheck's makes it fail: Python gives
# that for no failure of its own. Slurm's commands must be on the PATH.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/slurm/bin
export PATH
# shellcheck disable=SC2086 # the options are words
said=$(timeout -s KILL 20 "$GPUCHECK" fleet gate slurm-prolog $OPTIONS 2>&1)
status=$?
[ -z "$said" ] || printf '%s\n' "$said" | logger -t gpucheck
[ "$status" -ne 20 ]
