#!/bin/sh
# Slurm's HealthCheckProgram: drains a node that is certainly broken, and gives back what gpucheck drained.
# In slurm.conf: HealthCheckProgram=/etc/slurm/gpucheck-healthcheck.sh  HealthCheckInterval=300
#                HealthCheckNodeState=ANY,CYCLE

GPUCHECK=/opt/gpucheck/bin/gpucheck
# Without --act it only says in the log what it would do: begin so. Then add --act, and a policy:
# OPTIONS="--act --cap 5% --policy /etc/slurm/gpucheck.toml"
OPTIONS="--cap 5%"

# slurmd starts it without PATH and HOME. It is killed after 60 s; what it prints is lost, so it goes into the log.
# Slurm's commands must be on the PATH.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/slurm/bin
export PATH
# shellcheck disable=SC2086 # the options are words
timeout -s KILL 50 "$GPUCHECK" fleet gate slurm-health $OPTIONS 2>&1 | logger -t gpucheck
exit 0
