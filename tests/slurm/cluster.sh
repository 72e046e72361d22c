#!/usr/bin/env bash
# Run a temporary SLURM cluster of one node as the calling user, from Debian's packages. Nothing is installed into the
# system, and neither root nor systemd is needed.
#   cluster.sh up|down      start the cluster (and download the packages the first time), stop it
#   cluster.sh path         print the folder of its commands (sbatch, squeue, ...), to be put first into PATH
# CLUSTER is its folder (a short path, because it holds a socket), CLUSTER_GPUS the number of its simulated GPUs.
set -euo pipefail

root=${CLUSTER:-/tmp/ba-slurm-$(id -u)}
gpus=${CLUSTER_GPUS:-1}
port=${CLUSTER_PORT:-6917}
cores=$(nproc)
memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 0.8)}' /proc/meminfo)
node=$(hostname -s)
user=$(id -un)
packages=(munge libmunge2 slurmctld slurmd slurm-client slurm-wlm-basic-plugins libhwloc15)
commands=(sinfo squeue sbatch srun scancel scontrol sacct sacctmgr sshare)
files=$root/files

fetch() {
  [[ -e $files/.complete ]] && return
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    { echo "The test cluster is built from Debian's packages: run it where apt-get and dpkg-deb are installed." >&2; exit 3; }
  rm -rf "$files"
  mkdir -p "$files" "$root"/debs "$root"/apt/{lists/partial,cache/archives/partial}
  local options=(-qq -o Dir::State="$root/apt" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$root/apt/cache"
    -o APT::Sandbox::User="$user" -o Debug::NoLocking=1)
  (cd "$root/debs" && apt-get "${options[@]}" update && apt-get "${options[@]}" download "${packages[@]}") \
    >"$root/fetch.log" 2>&1 || { tail "$root/fetch.log" >&2; exit 1; }
  for package in "$root"/debs/*.deb; do dpkg-deb --extract "$package" "$files"; done
  # Debian's daemons have the suffix -wlm, but each daemon recognises its role by a name without it.
  for daemon in slurmctld slurmd slurmstepd; do ln -sf "$daemon-wlm" "$files/usr/sbin/$daemon"; done
  touch "$files/.complete"
}

libraries() { dirname "$(find "$files/usr/lib" -name 'libmunge.so.2' | head -1)"; }

configure() {
  mkdir -p "$root"/{etc,run,log,state,spool,bin}
  chmod 755 "$root" "$root/run" && chmod 700 "$root/etc" "$root/log"
  [[ -e $root/etc/munge.key ]] || (umask 077 && head -c 128 /dev/urandom >"$root/etc/munge.key")
  chmod 400 "$root/etc/munge.key"
  local lib; lib=$(libraries)
  # Jobs run without any SLURM_ variable, so each command sets SLURM_CONF itself.
  for name in "${commands[@]}"; do
    cat >"$root/bin/$name" <<END
#!/bin/sh
export SLURM_CONF=$root/etc/slurm.conf LD_LIBRARY_PATH=$lib:$lib/slurm-wlm
exec $files/usr/bin/$name "\$@"
END
    chmod +x "$root/bin/$name"
  done
  cat >"$root/etc/slurm.conf" <<END
ClusterName=tests
FirstJobId=$(($(date +%s) % 9000000 + 1))
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
PluginDir=$lib/slurm-wlm
AuthType=auth/munge
AuthInfo=socket=$root/run/munge.sock
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool
SlurmctldPidFile=$root/run/slurmctld.pid
SlurmdPidFile=$root/run/slurmd.pid
SlurmctldLogFile=$root/log/slurmctld.log
SlurmdLogFile=$root/log/slurmd.log
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MinJobAge=86400
KillWait=3
OverTimeLimit=0
JobRequeue=1
JobFileAppend=1
DefMemPerCPU=100
NodeName=$node NodeAddr=127.0.0.1 Boards=1 SocketsPerBoard=1 CoresPerSocket=$((cores > 4 ? cores : 4)) ThreadsPerCore=1 RealMemory=$memory Gres=gpu:$gpus State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
  # A GPU needs a device file, and SLURM sets CUDA_VISIBLE_DEVICES only for character devices.
  local devices=(/dev/null /dev/zero /dev/full /dev/random)
  echo "NodeName=$node Name=gpu File=$(IFS=,; echo "${devices[*]:0:gpus}")" >"$root/etc/gres.conf"
}

running() { [[ -s $root/run/$1.pid ]] && kill -0 "$(<"$root/run/$1.pid")" 2>/dev/null; }

up() {
  fetch
  configure
  local lib; lib=$(libraries)
  export SLURM_CONF=$root/etc/slurm.conf LD_LIBRARY_PATH=$lib:$lib/slurm-wlm
  running munged || {
    rm -f "$root"/run/munge.sock*
    "$files/usr/sbin/munged" --key-file="$root/etc/munge.key" --socket="$root/run/munge.sock" \
      --pid-file="$root/run/munged.pid" --log-file="$root/log/munged.log" --seed-file="$root/log/munged.seed"
  }
  running slurmctld || { rm -rf "$root"/state/* "$root"/spool/*; "$files/usr/sbin/slurmctld"; }
  running slurmd || "$files/usr/sbin/slurmd" -d "$files/usr/sbin/slurmstepd"
  for _ in $(seq 150); do
    [[ $("$root/bin/sinfo" -h -o %T 2>/dev/null | sort -u) == idle ]] && return
    sleep 0.2
  done
  { "$root/bin/sinfo" -R; tail -n 5 "$root"/log/slurm*.log; } >&2 || true
  echo "The cluster's node did not become idle." >&2
  exit 1
}

down() {
  if running slurmctld; then
    "$root/bin/squeue" -h -o %A | sort -u | xargs -r "$root/bin/scancel" || true
    sleep 1
  fi
  local pid
  for daemon in slurmd slurmctld munged; do
    running "$daemon" || continue
    pid=$(<"$root/run/$daemon.pid")
    kill "$pid"
    for _ in $(seq 50); do
      kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || break
      sleep 0.1
    done
    rm -f "$root/run/$daemon.pid"
  done
}

case ${1:-} in
  up) up ;;
  down) down ;;
  path) echo "$root/bin" ;;
  *) sed -n '2,6s/^# //p' "$0"; exit 2 ;;
esac
