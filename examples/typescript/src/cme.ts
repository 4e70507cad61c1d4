// What no generator gives: canonical form, digests, signatures, receipts (sections 2, 3 and 6).

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign as ed25519, verify as check } from "node:crypto";
import type { KeyObject } from "node:crypto";

import type { components } from "../generated/cme.js";
import { Refused, read } from "./read.js";
import type { Json, JsonObject } from "./read.js";

export type Schemas = components["schemas"];

/** RFC 8785. The protocol has integers only, and JSON.stringify writes those, and strings, as it asks. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort(); // by UTF-16 code units
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name]!)}`).join(",")}}`;
}

export const digest = (value: Json): string => createHash("sha256").update(canonical(value)).digest("base64url");

/** A member that has to be an object of signed content. */
export function object(value: Json | undefined): JsonObject {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Refused("not an object");
  return value;
}

export function text(value: Json | undefined): string {
  if (typeof value !== "string") throw new Refused("not a string");
  return value;
}

/** Of PKCS#8 in PEM; the seed is at one place in version 1 and 2. */
export function privateKey(pem: string): KeyObject {
  const seed = Buffer.from(pem.split("-----")[2] ?? "", "base64").subarray(16, 48);
  const version1 = Buffer.from("302e020100300506032b657004220420", "hex");
  return createPrivateKey({ key: Buffer.concat([version1, seed]), format: "der", type: "pkcs8" });
}

/** The `kid` of a public key, which is base64url of 32 bytes. */
export const thumbprint = (publicKey: string): string => digest({ crv: "Ed25519", kty: "OKP", x: publicKey });

function unb64(written: string): Buffer {
  const data = Buffer.from(written, "base64url");
  if (data.toString("base64url") !== written) throw new Refused("not base64url, or padded, or with other trailing bits");
  return data;
}

const message = (protectedPart: string, payload: Json): Buffer =>
  Buffer.from(`${protectedPart}.${Buffer.from(canonical(payload)).toString("base64url")}`);

/** A detached signature of a header, or of the object that the table of section 3.1 names. */
export function sign(payload: JsonObject, key: KeyObject): string {
  const publicKey = text(createPublicKey(key).export({ format: "jwk" }).x);
  const protectedPart = Buffer.from(canonical({ alg: "EdDSA", kid: thumbprint(publicKey) })).toString("base64url");
  return `${protectedPart}..${ed25519(null, message(protectedPart, payload), key).toString("base64url")}`;
}

/** Throws unless the signature holds; `keys` is `kid` to public key, of the signing authority alone. */
export function verify(payload: JsonObject, jws: string, keys: Map<string, string>, typ: string): void {
  const [protectedPart, nothing, signature, more] = jws.split(".");
  if (!protectedPart || nothing !== "" || !signature || more !== undefined) throw new Refused("not detached");
  const header = read(unb64(protectedPart));
  const known = Object.keys(header).every((name) => ["alg", "kid", "typ"].includes(name));
  if (header["alg"] !== "EdDSA" || !known || (header["typ"] ?? typ) !== typ) {
    throw new Refused("not a signature of this protocol");
  }
  const x = keys.get(text(header["kid"]));
  if (x === undefined) throw new Refused("the directory has no such key for the signer");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  if (!check(null, message(protectedPart, payload), key, unb64(signature))) throw new Refused("does not hold");
}

/** The content of the first issue of a directory, signed by the root key that a person has compared. */
export function verifiedDirectory(document: JsonObject, rootKey: string): Schemas["Directory"] {
  const content = object(document["directory"]);
  verify(content, text(document["signature"]), new Map([[thumbprint(rootKey), rootKey]]), "cme-directory");
  return content as unknown as Schemas["Directory"];
}

/** The record of an authority in a directory that was verified. */
export function authority(directory: Schemas["Directory"], code: string): Schemas["Authority"] {
  const record = directory.authorities.find((held) => held.code === code);
  if (!record) throw new Refused(`the directory has no authority ${code}`);
  return record;
}

/** Timestamps have none to nine places after the second: as text they do not sort. */
export function sortable(instant: string): string {
  const [second, fraction = ""] = instant.replace("Z", "").split(".");
  return `${second}.${fraction.padEnd(9, "0")}`;
}

/** An authority's keys that are in their lifetime at an instant (section 3.2). */
export function keysAt(record: Pick<Schemas["Authority"], "keys">, instant: string): Map<string, string> {
  const at = sortable(instant);
  const before = (end: string | undefined): boolean => end === undefined || at < sortable(end);
  const held = record.keys.filter(
    (key) => sortable(key.validFrom) <= at && before(key.retiredAt) && before(key.revokedAt),
  );
  return new Map(held.map((key) => [key.kid, key.publicKey]));
}

/** The receipt, if it is by the authority of the record, for this entry, and holds. Only then is it delivered. */
export function checkReceipt(signed: JsonObject, entry: JsonObject, by: Schemas["Authority"]): Schemas["Receipt"] {
  const receipt = object(signed["receipt"]);
  const header = object(entry["header"]);
  verify(receipt, text(signed["signature"]), keysAt(by, text(receipt["receivedAt"])), "cme-receipt");
  const same = receipt["transfer"] === header["transfer"] && receipt["entryId"] === header["id"];
  if (receipt["by"] !== by.code || !same) throw new Refused("a receipt by another authority, or for another entry");
  return receipt as unknown as Schemas["Receipt"];
}

export function uuid7(): string {
  const raw = randomBytes(16);
  raw.writeUIntBE(Date.now(), 0, 6);
  raw[6] = (raw[6]! & 0x0f) | 0x70;
  raw[8] = (raw[8]! & 0x3f) | 0x80;
  return raw.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
