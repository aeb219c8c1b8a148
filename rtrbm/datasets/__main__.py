"""List the data sets, or download some: ``python -m rtrbm.datasets [NAME ...] [--to FOLDER]``."""

import argparse
import sys

from ..checks import check_choice
from ..progress import lenient
from .registry import DATA_SETS, download


def text_of(name):
    """What there is to know about a data set."""
    entry = DATA_SETS[name]
    lines = [name, f"  {entry.what}", f"  source: {entry.source}", f"  licence: {entry.licence}"]
    for file in entry.files:
        lines += [f"  file: {file.path}, {file.size} bytes", f"  sha256: {file.sha256}"]
        lines += [f"  address: {file.url or f'get it from the source by hand, as FOLDER/{file.path}'}"]
    if any(file.url for file in entry.files):
        lines.append(f"  get it: python -m rtrbm.datasets {name} --to FOLDER")
    return "\n".join([*lines, f"  {'read' if entry.files else 'computed'} by {entry.read}"])


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m rtrbm.datasets", description="List the data sets, or download some and verify their checksums."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to download; without names, all sets are listed")
    parser.add_argument("--to", default="data", metavar="FOLDER", help="folder of data (default: data)")
    options = parser.parse_args(arguments)
    with lenient("rtrbm.datasets", is_result=not options.names):
        return status_of(options)


def status_of(options):
    """List or download; the exit status."""
    try:
        for name in options.names:
            check_choice("NAME", name, tuple(DATA_SETS))
        for name in options.names:
            for path in download(name, options.to):
                print(f"{path}: its checksum is right")
        if not options.names:
            print("\n\n".join(map(text_of, DATA_SETS)), flush=True)
    except KeyboardInterrupt:
        print("\nrtrbm.datasets: stopped", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, BrokenPipeError) and not options.names:
            return 0  # `| head` has read enough
        print(f"rtrbm.datasets: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
