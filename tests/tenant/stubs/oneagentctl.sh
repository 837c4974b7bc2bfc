#!/bin/sh
# Stub of oneagentctl: one file a setting, one line a value of those that have several.
tools=${0%/*}
path=${tools%/agent/tools}
home=$path/state
echo "$@" >> "$home/calls"
code=0
changed=0
for argument in "$@"; do
  value=${argument#*=}
  case $argument in
    --set-host-tag=*|--set-host-property=*)
      case $value in
        \#*|*[[:space:]]*|*=*=*) echo "not allowed: $value" >&2; exit 1;;
      esac;;
  esac
  case $argument in
    --version) cat "$home/version";;
    --get-host-id) cat "${path%/*}/ruxithost.id";;
    --get-host-tags) cat "$home/tags" 2>/dev/null;;
    --get-host-properties) cat "$home/properties" 2>/dev/null;;
    --get-network-zone) cat "$home/network-zone" 2>/dev/null || echo default;;
    --get-*) cat "$home/${argument#--get-}" 2>/dev/null;;
    --set-host-tag=*)
      grep -qsxF -e "$value" "$home/tags" || echo "$value" >> "$home/tags"
      changed=1;;
    --set-host-property=*)
      grep -qsxF -e "$value" "$home/properties" || echo "$value" >> "$home/properties"
      changed=1;;
    --remove-host-tag=*|--remove-host-property=*)
      list=$home/tags
      case $argument in --remove-host-property=*) list=$home/properties;; esac
      grep -qsxF -e "$value" "$list" || code=1
      grep -vsxF -e "$value" "$list" > "$list.new"
      mv "$list.new" "$list"
      changed=1;;
    --set-*=*)
      setting=${argument%%=*}
      echo "$value" > "$home/${setting#--set-}"
      changed=1;;
    --restart-service)
      echo restarted >> "$home/restarts"
      changed=1;;
    *) echo "unknown: $argument" >&2; exit 2;;
  esac
done
if [ $changed = 1 ] && [ -z "$STUB_QUIET" ]; then
  @PYTHON@ -I -S "$tools/report.py" "$path"
fi
exit $code
