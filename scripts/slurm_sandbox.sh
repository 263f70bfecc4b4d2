#!/bin/bash
# A SLURM on loopback, for tests: no systemd, no cgroups, no accounting. Needs Debian's slurm-wlm and munge, and root.
# One node, named as the machine; or SLURM_SANDBOX_NODES=2 and more: node1, node2, …, all of them this machine.
#   source <(scripts/slurm_sandbox.sh up DIR)    starts it; sets SLURM_CONF, and PATH for a sacct that asks squeue
#   scripts/slurm_sandbox.sh down DIR            stops it, by its own pid files
set -eu
verb=${1:?up or down} dir=$(realpath -m "${2:?a working folder}") host=$(hostname -s)
nodes=${SLURM_SANDBOX_NODES:-1} port=${SLURM_SANDBOX_PORT:-16817}
pids=("$dir"/slurmd*.pid "$dir/slurmctld.pid" "$dir/munge/pid")
if [ "$verb" = down ]; then
  export SLURM_CONF="$dir/slurm.conf"
  jobs=$(timeout 5 squeue --noheader --format=%A 2>/dev/null) || jobs=
  for job in $jobs; do timeout 5 scancel "$job" 2>/dev/null || true; done
  for _ in $(seq 100); do # or their steps would outlive the daemons
    [ -z "$jobs" ] || [ -z "$(timeout 5 squeue --noheader 2>/dev/null)" ] && break
    sleep 0.1
  done
  for file in "${pids[@]}"; do [ -f "$file" ] && kill "$(cat "$file")" 2>/dev/null; done
  exit 0
fi
mkdir -p "$dir"/{munge,state,spool,log,bin}
chmod 700 "$dir/munge"
[ -f "$dir/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom > "$dir/munge/key")
names=("$host")
[ "$nodes" = 1 ] || names=($(seq -f "node%g" "$nodes"))
cat > "$dir/slurm.conf" <<CONF
ClusterName=sandbox
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
JobRequeue=1
KillWait=60
MinJobAge=600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$(for i in $(seq "$nodes"); do echo "NodeName=${names[i - 1]} NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=${SLURM_SANDBOX_CPUS:-1} State=UNKNOWN"; done)
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=${SLURM_SANDBOX_GRACE:-4}
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
cat > "$dir/bin/sacct" << 'SACCT'
#!/bin/bash
# submitit asks sacct, which knows nothing without accounting: squeue does, for MinJobAge seconds.
jobs=() && while [ $# -gt 0 ]; do [ "$1" = -j ] && jobs+=("$2"); shift; done
echo "JobID|State|NodeList"
exec squeue --noheader --array --states=all --format="%i|%T|%N" --jobs="$(IFS=,; echo "${jobs[*]}")"
SACCT
chmod +x "$dir/bin/sacct"
export SLURM_CONF="$dir/slurm.conf"
munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
  --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" >&2
slurmctld -f "$SLURM_CONF" -c >&2
for name in "${names[@]}"; do
  mkdir -p "$dir/spool/$name"
  slurmd -f "$SLURM_CONF" -N "$name" >&2
done
for _ in $(seq 1000); do
  [ "$(timeout 5 sinfo -h -o %T 2>/dev/null | sort -u | head -1)" = idle ] && break
  sleep 0.1
done
timeout 5 sinfo >&2
echo "export SLURM_CONF='$SLURM_CONF' PATH='$dir/bin':\"\$PATH\""
