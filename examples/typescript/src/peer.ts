// A TLS connection to the server of an authority, known by the pin of its certificate and by nothing else.

import { createHash } from "node:crypto";
import { request as send } from "node:https";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";

import type { Schemas } from "./cme.js";

const PATIENCE_MS = 30_000;

export interface Identity {
  certificate: Buffer;
  key: Buffer;
}

function pinOf(socket: TLSSocket): string | undefined {
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: "spki", format: "der" });
  return key && createHash("sha256").update(key).digest("base64url");
}

/** Connected, and the pin is right. Names and issuers of certificates are not looked at. */
function pinned(base: URL, pins: string[], identity: Identity): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: base.hostname.replace(/^\[|\]$/g, ""),
      port: Number(base.port || 443),
      cert: identity.certificate,
      key: identity.key,
      minVersion: "TLSv1.3",
      rejectUnauthorized: false, // the pin takes its place
      timeout: PATIENCE_MS,
    });
    socket.once("error", reject);
    socket.once("timeout", () => socket.destroy(new Error("no handshake in time")));
    socket.once("secureConnect", () => {
      const pin = pinOf(socket);
      if (pin !== undefined && pins.includes(pin)) resolve(socket);
      else socket.destroy(new Error("the server's key is not pinned to the authority"));
    });
  });
}

/** Status and content. No redirect is followed. The incarnation is that of a database never restored. */
export async function request(
  record: Schemas["Authority"],
  identity: Identity,
  method: "GET" | "PUT",
  path: string,
  content?: Uint8Array,
): Promise<{ status: number; content: Buffer }> {
  const base = new URL(record.baseUrl ?? "");
  const socket = await pinned(base, record.serverPins, identity);
  const headers: Record<string, string> = { "CME-Incarnation": "1", Connection: "close" };
  if (content) Object.assign(headers, { "Content-Type": "application/json", "Content-Length": String(content.length) });
  return new Promise((resolve, reject) => {
    const target = { host: base.hostname, port: base.port || 443, path: base.pathname + path, method, headers };
    const asked = send({ ...target, timeout: PATIENCE_MS, createConnection: () => socket }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, content: Buffer.concat(parts) }));
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.on("timeout", () => asked.destroy(new Error("no answer in time")));
    asked.end(content);
  });
}
