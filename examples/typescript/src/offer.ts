// Offers a child to another authority, and holds the signed receipt at the end.
//
//     node build/offer.js --deployment 330/ --to 373 --root=ROOT_KEY --outbox outbox/ offer.json
//     node build/offer.js --deployment 330/ --to 373 --root=ROOT_KEY --outbox outbox/
//
// The deployment is a folder that `cme-server init` made, with the directory in it. The entry is on disk before it
// is sent; without a body, what the outbox holds is sent again, byte for byte. Exit code: 0 receipted, 1 refused
// for good, 75 not delivered yet.

import { randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { authority, checkReceipt, digest, object, privateKey, sign, uuid7, verifiedDirectory } from "./cme.js";
import type { Schemas } from "./cme.js";
import { request } from "./peer.js";
import type { Identity } from "./peer.js";
import { Refused, read } from "./read.js";
import type { JsonObject } from "./read.js";

const PROBLEM = "urn:cme:problem:v1:";
// The class "final" of section 9.5: sending the same bytes again can't help. Everything else is tried again.
const FINAL = new Set(
  `malformed too-large limit-exceeded path-mismatch not-a-party type-unknown protocol-unsupported body-missing
   body-digest-mismatch body-invalid signature-invalid id-reused wrong-author receipt-missing receipt-invalid
   header-changed media-type`.split(/\s+/),
);

type Became = "receipted" | "final" | "later";

/** An offer that begins a ledger. `given` is the body of section 4, without the salt. */
function make(given: JsonObject, author: string, recipient: string, key: KeyObject): JsonObject {
  const body = { salt: randomBytes(16).toString("base64url"), ...given };
  const header = {
    protocol: "1.0",
    transfer: uuid7(),
    sequence: 0,
    previous: null,
    id: uuid7(),
    type: "offer",
    author,
    recipient,
    createdAt: new Date().toISOString(),
    responsibility: { id: uuid7(), epoch: 1 },
    clockClass: "standard",
    bodyDigest: digest(body),
  } satisfies Schemas["Header"];
  return { header, body, signature: sign(header, key) };
}

/** On disk, whatever happens next: a decision that was sent and then forgotten would fork the ledger. */
function store(outbox: string, entry: JsonObject): void {
  mkdirSync(outbox, { recursive: true });
  const { id } = object(entry["header"]) as unknown as Schemas["Header"];
  const unfinished = join(outbox, `${id}.unfinished`);
  writeFileSync(unfinished, JSON.stringify(entry), { flush: true });
  renameSync(unfinished, join(outbox, `${id}.json`));
  const folder = openSync(outbox, "r");
  fsyncSync(folder);
  closeSync(folder);
}

/** What became of the entry: the signed receipt, or the problem. */
async function send(
  content: Buffer,
  record: Schemas["Authority"],
  identity: Identity,
): Promise<{ became: Became; answer: JsonObject }> {
  const entry = read(content);
  const header = object(entry["header"]);
  const path = `/v1/transfers/${header["transfer"]}/entries/${header["sequence"]}`;
  const said = await request(record, identity, "PUT", path, content);
  let answer: JsonObject;
  try {
    answer = read(said.content);
  } catch (error) {
    if (error instanceof Refused) return { became: "later", answer: { status: said.status } }; // a proxy's page
    throw error;
  }
  if (said.status === 200 || said.status === 201) {
    const receipt = checkReceipt(answer, entry, record);
    const same = receipt.sequence === header["sequence"] && receipt.headerDigest === digest(header);
    if (said.status === 201 && !same) throw new Refused("a receipt for another header");
    return { became: "receipted", answer };
  }
  const name = String(answer["type"] ?? "").replace(PROBLEM, "");
  return { became: FINAL.has(name) ? "final" : "later", answer };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      deployment: { type: "string" },
      to: { type: "string" },
      root: { type: "string" }, // the directory's root key, which a person has compared
      outbox: { type: "string" },
    },
  });
  const { deployment, to, root, outbox } = values;
  if (!deployment || !to || !root || !outbox) throw new Error("--deployment, --to, --root and --outbox are needed");
  const file = (name: string): Buffer => readFileSync(join(deployment, name));
  const author = readdirSync(deployment).find((name) => name.endsWith(".sign.pem"))?.split(".")[0] ?? "";
  const record = authority(verifiedDirectory(read(file("directory.json")), root), to);
  if (positionals[0] !== undefined) {
    const key = privateKey(file(`${author}.sign.pem`).toString());
    store(outbox, make(read(readFileSync(positionals[0])), author, to, key));
  }

  const identity = { certificate: file(`${author}.cert.pem`), key: file(`${author}.key.pem`) };
  const codes = { receipted: 0, final: 1, later: 75 };
  let worst = 0;
  for (const waiting of readdirSync(outbox).filter((name) => name.endsWith(".json")).sort()) {
    const path = join(outbox, waiting);
    const result = await send(readFileSync(path), record, identity).catch((error: Error) => {
      if (error instanceof Refused) throw error;
      return { became: "later" as const, answer: { error: error.message } }; // no connection, or another server
    });
    console.log(JSON.stringify({ entry: waiting.replace(/\.json$/, ""), ...result }));
    worst = Math.max(worst, codes[result.became]);
    if (result.became !== "later") {
      writeFileSync(path.replace(/json$/, result.became), JSON.stringify(result.answer));
      renameSync(path, path.replace(/json$/, "sent"));
    }
  }
  return worst;
}

process.exitCode = await main();
