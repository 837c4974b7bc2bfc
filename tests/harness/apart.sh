#!/usr/bin/env bash
# Runs a command with processes, a network, /run, /etc and apache2's directories of its own, so that it may start,
# stop and break an apache2 on port 80 whatever runs on this machine. `apart.py` calls it in a mount namespace.
#
#   apart.sh DIR COMMAND …
#
# DIR is an empty directory for what is only seen there. This is PID 1 of the command, so it takes in its orphans.
set -euo pipefail

# Of apache2; /run is empty there, as after a boot without systemd.
OWN=(/etc /var/cache/apache2 /var/lib/apache2 /var/log/apache2 /var/www)

dir=$1 place=
shift
mount -t tmpfs -o mode=755 apart "$dir"
for place in "${OWN[@]}"; do
  [ -d "$place" ] || continue
  mkdir -p "$dir$place"
  cp --archive --one-file-system "$place/." "$dir$place"
  mount --bind "$dir$place" "$place"
done
mount -t tmpfs -o mode=755,nosuid,nodev run /run
mkdir -m 1777 /run/lock
ip link set lo up
# Not exec: bash takes in whoever loses its parent. Not in the foreground: who ends the session asks the command first.
env --default-signal=INT,QUIT "$@" <&0 &
trap 'kill -TERM $!' TERM
wait $! && exit
status=$?
# By the signal; the command may take its leave.
wait $! || status=$?
exit "$status"
