"""What `.ci/fuzz/run` has to know: `url`, `absent` and `judge`."""

import json
import ssl
import sys
import urllib.request

# A run that does not get past the signatures tests nothing but them.
AT_LEAST = {
    "put_entry 201 ": 50,
    "put_entry 422 body-invalid": 50,
    "put_notice 201 ": 20,
    "put_acknowledgement 201 ": 1,
    "list_entries 200 ": 10,
    "list_heads 200 ": 10,
}
AT_LEAST_OF_QUERIES = {"put_query 200 ": 10}
# Names of the children in bodies that were taken, and what a fault or a panic leaves.
NEVER_LOGGED = ("Testcase", "Amina", "a request failed here", "panicked")


def url(directory, code):
    with open(directory, encoding="utf-8") as file:
        authorities = json.load(file)["directory"]["authorities"]
    print(next(held["baseUrl"] for held in authorities if held["code"] == code))


def absent(document, base, server, certificate, key):
    """Options that leave out the groups of operations whose profile the server does not have."""
    with open(document, encoding="utf-8") as file:
        groups = {tag["name"] for tag in json.load(file)["tags"]}
    tls = ssl.create_default_context(cafile=server)
    tls.load_cert_chain(certificate, key)
    with urllib.request.urlopen(f"{base}/v1/capabilities", context=tls, timeout=30) as answer:
        profiles = json.load(answer)["profiles"]
    for group in sorted(groups & {"queries", "notices"} - set(profiles)):
        print(f"--exclude-tag={group}")


def judge(outcomes, log):
    with open(outcomes, encoding="utf-8") as file:
        counted = json.load(file)
    least = AT_LEAST | (AT_LEAST_OF_QUERIES if any(name.startswith("put_query ") for name in counted) else {})
    short = [f"{name}: {counted.get(name, 0)} of {times}" for name, times in least.items() if counted.get(name, 0) < times]
    with open(log, encoding="utf-8") as file:
        logged = [line for line in file if any(text in line for text in NEVER_LOGGED)]
    if short or logged:
        sys.exit("\n".join([*(f"too few of {line}" for line in short), *logged]))


if __name__ == "__main__":
    {"url": url, "absent": absent, "judge": judge}[sys.argv[1]](*sys.argv[2:])
