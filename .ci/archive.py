#!/usr/bin/env python3
"""Packs files into an archive that is the same for the same content, whoever packs it, wherever and when.

    archive.py ARCHIVE FILE[=NAME]...

ARCHIVE ends in .tar, .tar.gz, .tgz or .zip. A directory is packed with all below it. NAME is the path inside the archive; without it, the
file's own name. All times are SOURCE_DATE_EPOCH, or 1980; owners are root; entries are in the order of their names. An
executable file stays executable, and a file whose name ends in .exe becomes executable.

In Python, because tar and zip differ between machines.
"""

import gzip
import os
import sys
import tarfile
import time
import zipfile
from pathlib import Path

# The oldest time that a zip archive can record.
EPOCH = max(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), 315532800)


def entries(arguments):
    """Pairs of a path inside the archive and the file to pack, sorted."""
    found = []
    for argument in arguments:
        file, _, name = argument.partition("=")
        file = Path(file)
        name = name or file.name
        if file.is_dir():
            below = (path for path in file.rglob("*") if path.is_file())
            found += [(f"{name}/{path.relative_to(file).as_posix()}", path) for path in below]
        elif file.is_file():
            found.append((name, file))
        else:
            sys.exit(f"archive.py: there is no {file}")
    return sorted(found)


def mode(file):
    executable = file.suffix == ".exe" or os.access(file, os.X_OK)
    return 0o755 if executable else 0o644


def tar(stream, files):
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, file in files:
            entry = tarfile.TarInfo(name)
            entry.size = file.stat().st_size
            entry.mtime = EPOCH
            entry.mode = mode(file)
            entry.uname = entry.gname = "root"
            with file.open("rb") as content:
                out.addfile(entry, content)


def zip_(stream, files):
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name, file in files:
            entry = zipfile.ZipInfo(name, time.gmtime(EPOCH)[:6])
            entry.create_system = 3  # Unix, so that the permissions count
            entry.external_attr = (0o100000 | mode(file)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, file.read_bytes(), compresslevel=9)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    archive, files = Path(sys.argv[1]), entries(sys.argv[2:])
    with archive.open("wb") as stream:
        if archive.suffix == ".zip":
            zip_(stream, files)
        elif archive.suffix == ".tar":
            tar(stream, files)
        else:
            # gzip has header fields for a name and a time: leave out the name, and write the oldest time.
            with gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=9, mtime=0) as packed:
                tar(packed, files)


main()
