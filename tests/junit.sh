#!/usr/bin/env bash
# Holds JUnit XML files against tests/junit.xsd: `tests/junit.sh FILE...`. With xmllint, or with Python's lxml, which is
# installed into the target folder where there is no xmllint.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
schema=$root/tests/junit.xsd
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python=${CARGO_TARGET_DIR:-$root/target}/lxml/bin/python
with_lxml() {
  "$python" -c 'import lxml' 2>/dev/null && return
  python3 -m venv "${python%/bin/python}" && "$python" -m pip install -q --disable-pip-version-check lxml==6.1.3
}
if command -v xmllint >/dev/null; then
  valid() { xmllint --nonet --noout --schema "$schema" "$1"; }
elif with_lxml; then
  valid() {
    "$python" - "$schema" "$1" <<'PY'
import sys
from lxml import etree

schema, file = sys.argv[1:]
try:
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.parse(file))
except (etree.XMLSyntaxError, etree.DocumentInvalid) as error:
    sys.exit(f"{file}: {error}")
print(f"{file} validates")
PY
  }
else
  echo "SKIPPED: neither xmllint nor a Python with lxml, nor could it be installed; the tests check the structure themselves"
  exit 0
fi
for file; do
  valid "$file"
  # A schema that takes anything would show nothing.
  sed 's/<testcase name="/<testcase nom="/' "$file" >"$work/broken.xml"
  ! valid "$work/broken.xml" >/dev/null 2>&1 || { echo "a file without the names of its cases validates, too"; exit 1; }
done
