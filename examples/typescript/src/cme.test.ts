// The published vectors, accepted and refused.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { canonical, digest, keysAt, sortable, verify } from "./cme.js";
import { Refused, read } from "./read.js";
import type { JsonObject } from "./read.js";

interface Case {
  name: string;
  verdict: "accept" | "reject";
  problem?: string;
  text?: string;
  base64?: string;
  repeat?: { before: string; unit: string; count: number; after: string };
  canonical?: string;
  sha256?: string;
  kind?: string;
  payload?: JsonObject;
  signature?: string;
}

interface Vectors {
  cases: Case[];
  keys?: { kid: string; publicKey: string }[];
}

const vectors = (name: string): Vectors =>
  JSON.parse(readFileSync(new URL(`../../../spec/v1/vectors/${name}`, import.meta.url), "utf-8"));

function content({ base64, repeat, text }: Case): Buffer {
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  return Buffer.from(repeat ? repeat.before + repeat.unit.repeat(repeat.count) + repeat.after : text!);
}

test("canonical form", () => {
  const seen = { accept: 0, reject: 0 };
  for (const vector of vectors("canonical.json").cases) {
    if (["too-large", "limit-exceeded"].includes(vector.problem ?? "")) continue; // limits bind who receives entries
    seen[vector.verdict] += 1;
    if (vector.verdict === "reject") {
      assert.throws(() => read(content(vector)), Refused, vector.name);
    } else {
      const value = read(content(vector));
      assert.equal(canonical(value), vector.canonical ?? canonical(value), vector.name);
      assert.equal(digest(value), vector.sha256, vector.name);
    }
  }
  assert.ok(Math.min(seen.accept, seen.reject) > 15, JSON.stringify(seen));
});

test("signatures", () => {
  const file = vectors("signatures.json");
  const keys = new Map(file.keys!.map((key) => [key.kid, key.publicKey]));
  const seen = { accept: 0, reject: 0 };
  for (const { name, kind, verdict, payload, signature } of file.cases) {
    if (kind !== "detached") continue;
    seen[verdict] += 1;
    const judge = (typ: string) => () => verify(payload!, signature!, keys, typ);
    if (verdict === "reject") assert.throws(judge("cme-head"), Refused, name);
    else judge("cme-head")();
    if (name === "with a typ") assert.throws(judge("cme-entry"), Refused, "a typ of another document");
  }
  assert.ok(Math.min(seen.accept, seen.reject) > 1, JSON.stringify(seen));
});

test("an instant is compared as a time", () => {
  const instants = ["2026-11-24T09:30:00Z", "2026-11-24T09:30:00.05Z", "2026-11-24T09:30:00.5Z", "2026-11-24T09:30:01Z"];
  assert.deepEqual([...instants].reverse().sort((a, b) => (sortable(a) < sortable(b) ? -1 : 1)), instants);
});

test("keys are judged at the instant", () => {
  const key = { kid: "k", publicKey: "x", validFrom: "2026-01-01T00:00:00Z", retiredAt: "2026-06-01T00:00:00Z" };
  const held = (instant: string): string[] => [...keysAt({ keys: [key] }, instant).keys()];
  assert.deepEqual(held("2025-12-31T23:59:59.9Z"), []);
  assert.deepEqual(held("2026-01-01T00:00:00Z"), ["k"]);
  assert.deepEqual(held("2026-06-01T00:00:00.0Z"), []);
});
