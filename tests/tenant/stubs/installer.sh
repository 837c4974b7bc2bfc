#!/bin/sh
# Stub of a OneAgent installer, made by a simulated tenant; it installs below one directory only.
root=@ROOT@
mark=@MARK@
path=$root/oneagent
[ -z "$mark" ] || echo "$@" >> "$mark"
for argument in "$@"; do
  case $argument in INSTALL_PATH=*) path=${argument#INSTALL_PATH=};; esac
done
case $path in
  */..*) echo "no such path: $path" >&2; exit 7;;
  "$root"/*) ;;
  *) echo "this installer is made for $root, not for $path" >&2; exit 7;;
esac
while [ -n "$mark" ] && [ -e "$mark.wait" ]; do sleep 0.05; done

tools=$path/agent/tools
state=$path/state
mkdir -p "$tools" "$state" || exit 3
part() { sed -n "/^#$1 /s/^#$1 //p" "$0"; }
part REPORT > "$tools/report.py"
part UNINSTALL > "$path/agent/uninstall.sh"
part CTL > "$tools/new" && chmod 755 "$tools/new" && mv "$tools/new" "$tools/oneagentctl"
echo @VERSION@ > "$state/version"
echo @TENANT@ > "$state/tenant"
echo @SERVER@ > "$state/server"
identity=$(dirname "$path")/ruxithost.id
if [ ! -s "$identity" ]; then
  id=@HOST_ID@
  [ -n "$id" ] || id=$(printf %s "$path" | sha256sum | cut -c1-16)
  echo "$id" > "$identity"
fi

first=1
for argument in "$@"; do
  if [ $first = 1 ]; then set --; first=0; fi
  case $argument in --set-*) set -- "$@" "$argument";; esac
done
[ $# = 0 ] || STUB_QUIET=1 "$tools/oneagentctl" "$@" || exit 4
@PYTHON@ -I -S "$tools/report.py" "$path"
exit 0
