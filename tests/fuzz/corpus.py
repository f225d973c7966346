#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The corpora as texts: corpus/TARGET.txt has an input a line, in hexadecimal digits. One that made
the target fail once has "failed" before it, and is kept whatever it adds to the others.

    corpus.py unpack TEXTS FOLDER   all of them, as FOLDER/TARGET/NAME
    corpus.py pack FOLDER TEXTS     the other way; what failed stays in the texts
"""

import hashlib
import pathlib
import sys

HEAD = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n# Written by corpus.py.\n"
FAILED = "failed "


def lines_of(text):
    if not text.exists():
        return []
    lines = text.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def unpack(texts, folder):
    for text in sorted(texts.glob("*.txt")):
        out = folder / text.stem
        out.mkdir(parents=True, exist_ok=True)
        for line in lines_of(text):
            data = bytes.fromhex(line.removeprefix(FAILED))
            (out / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(folder, texts):
    for inputs in sorted(path for path in folder.iterdir() if path.is_dir()):
        text = texts / (inputs.name + ".txt")
        failed = [line for line in lines_of(text) if line.startswith(FAILED)]
        known = {line.removeprefix(FAILED) for line in failed}
        found = {path.read_bytes().hex() for path in inputs.iterdir()} - known
        ordered = sorted(found, key=lambda line: (len(line), line))
        text.write_text(HEAD + "".join(line + "\n" for line in failed + ordered))


def main():
    words = sys.argv[1:]
    if len(words) != 3 or words[0] not in ("pack", "unpack"):
        sys.exit(__doc__)
    one, other = pathlib.Path(words[1]), pathlib.Path(words[2])
    (pack if words[0] == "pack" else unpack)(one, other)


main()
