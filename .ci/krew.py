#!/usr/bin/env python3
"""Fills .ci/krew.yaml for the archives of a release.

    krew.py VERSION SOURCE ARCHIVE...

SOURCE is the address of the repository at the forge. Prints the manifest.
"""

import hashlib
import re
import sys
from pathlib import Path

version, source, *archives = sys.argv[1:]
template = Path(__file__).with_name("krew.yaml").read_text()
head, entry = template.split("  platforms:\n")
# The comment at the top describes the template.
head = "".join(line for line in head.splitlines(True) if not line.startswith("#"))


def fill(text, **values):
    return re.sub("@([A-Z0-9]+)@", lambda match: values[match[1]], text)


platforms = []
for archive in sorted(map(Path, archives)):
    name = re.fullmatch(r"tokensource-(.+)-(linux|darwin|windows)-(amd64|arm64)\.(?:tar\.gz|zip)", archive.name)
    if not name or name[1] != version:
        sys.exit(f"krew.py: {archive.name} is no archive of version {version}")
    platforms.append(fill(
        entry,
        VERSION=version, SOURCE=source, ARCHIVE=archive.name, OS=name[2], ARCH=name[3],
        SHA256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        BINARY="tokensource.exe" if name[2] == "windows" else "tokensource",
    ))
if not platforms:
    sys.exit("krew.py: there are no archives")
print(fill(head, VERSION=version, SOURCE=source) + "  platforms:\n" + "".join(platforms), end="")
