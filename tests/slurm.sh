#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The job array of app/cluster/ on a Slurm of one node, started here and stopped afterwards: sh tests/slurm.sh PROGRAM. Needs root, and the
# packages slurm-wlm and munge.
set -eu
program=$(readlink -f "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
host=$(hostname -s)
stop() {
    for name in slurmd slurmctld munged; do
        [ -f "$work/$name.pid" ] && kill "$(cat "$work/$name.pid")" 2>/dev/null || true
    done
    sleep 1
    rm -rf "$work"
}
trap stop EXIT
chmod 755 "$work"
mkdir "$work/state" "$work/spool" "$work/munge" "$work/out"
dd if=/dev/urandom of="$work/munge/key" bs=128 count=1 2>/dev/null
chmod 700 "$work/munge"
chmod 400 "$work/munge/key"
munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge.socket" --pid-file="$work/munged.pid" \
    --log-file="$work/munged.log" --seed-file="$work/munge/seed" >/dev/null 2>&1 &
cat >"$work/slurm.conf" <<CONF
ClusterName=mirrorscope
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=here Nodes=$host Default=YES MaxTime=10 State=UP
CONF
export SLURM_CONF="$work/slurm.conf"
slurmctld
slurmd
scenario=$root/scenarios/races/12-busy-sept-and-kick.yaml
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    sinfo -h -o %t 2>/dev/null | grep -q idle && break
    sleep 1
done
MIRRORSCOPE=$program sbatch --wait --array=1-4 --chdir="$work" --output="$work/out/%a.log" \
    "$root/app/cluster/explore.sbatch" "$scenario" "$work/out" --mode stateless || { cat "$work"/*.log "$work"/out/*.log; exit 1; }
count() { sed 's/.*"executions":\([0-9]*\).*/\1/'; }
merged=$("$program" merge --format jsonl "$work"/out/*.jsonl | count)
whole=$("$program" explore --mode stateless --format jsonl "$scenario" | count)
echo "a job array of 4: $merged executions; in one: $whole"
[ "$merged" = "$whole" ]
