#!/usr/bin/env python3
"""Prints the table of src/db/messages.rs from PostgreSQL's translations (Debian: in postgresql-15), in English first."""

import gettext
import pathlib
import re

CONDITIONS = {
    "LockTimeout": ["canceling statement due to lock timeout"],
    "Cancelled": [
        "canceling statement due to statement timeout",
        "canceling statement due to user request",
    ],
    "Deadlock": ["deadlock detected"],
    "StaleStatement": [
        "cached plan must not change result type",
        'prepared statement "%s" does not exist',
        'prepared statement "%s" already exists',
    ],
    "DiskFull": [
        'could not extend file "%s": %m',
        'could not extend file "%s": wrote only %d of %d bytes at block %u',
        'could not extend file "%s" with FileFallocate(): %m',
        'could not write to file "%s": %m',
    ],
    "Exhausted": [
        "temporary file size exceeds temp_file_limit (%dkB)",
        "out of memory",
        "out of shared memory",
    ],
}


def pattern(text):
    return re.sub(r"%(\d+\$)?[a-zA-Z]", "%", text).replace("\n", " ").rstrip(".。")


def main():
    files = sorted(pathlib.Path("/usr/share/locale").glob("*/LC_MESSAGES/postgres-15.mo"))
    languages = [gettext.GNUTranslations(file.open("rb")) for file in files]
    for condition, texts in CONDITIONS.items():
        found = []
        for text in texts:
            translations = [language.gettext(text) for language in languages]
            found += [pattern(one) for one in [text, *translations]]
        found = [one for one in dict.fromkeys(found) if not any(covers(other, one) for other in found if other != one)]
        lines = "".join('            "%s",\n' % one.replace('"', '\\"') for one in found)
        print(f"    (\n        Condition::{condition},\n        &[\n{lines}        ],\n    ),")


def covers(wide, narrow):
    """Whether a pattern ends in a wildcard and so takes all that the other one takes."""
    return wide.endswith("%") and narrow.startswith(wide[:-1])


if __name__ == "__main__":
    main()
