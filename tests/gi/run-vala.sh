#!/bin/sh
# run-vala.sh GIR SOURCE HEADERS - makes a vapi of the library's GIR, compiles a Vala program against it and runs it
# SPDX-License-Identifier: LGPL-2.1-or-later
set -eu

skip () { echo "1..0 # SKIP $1"; exit 0; }
command -v valac >/dev/null || skip 'valac is missing'
command -v vapigen >/dev/null || skip 'vapigen is missing (valac-bin)'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
gir=$1
source=$2
headers=$3
built=$(dirname "$gir")
vapigen --quiet --library vard-1 --pkg json-glib-1.0 --directory "$folder" "$gir" >&2
valac --quiet --vapidir "$folder" --pkg vard-1 --pkg json-glib-1.0 --directory "$folder" -o test-run \
  -X "-I$headers" -X "-L$built" -X -lvard-1 -X -w -X -O0 "$source" >&2
"$folder/test-run"
