#!/bin/sh
# Stub of a OneAgent's uninstaller; the host's identity and the enrichment file stay, as with the real one.
path=$(cd "$(dirname "$0")/.." && pwd) || exit 1
@PYTHON@ -I -S "$path/agent/tools/report.py" "$path" gone
rm -r "$path"
