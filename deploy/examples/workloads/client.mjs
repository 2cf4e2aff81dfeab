// Calls an API again and again with the token in a file. It contains no OAuth: tokensource keeps the file fresh. It needs
// Node 18 or newer, and nothing from npm.
//
// NODE_EXTRA_CA_CERTS names the PEM file of a private authority.

import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const { API_URL, TOKEN_FILE, INTERVAL_SECONDS } = process.env;

// Sends one request, with the token that is in the file now.
async function ask() {
  // Open the file by its name for each use. The kubelet replaces the directory behind the name, so a file that is
  // kept open, or a value that is kept in memory, stays old.
  const token = (await readFile(TOKEN_FILE, "utf8")).trim();
  const response = await fetch(API_URL, {
    headers: { Authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(30_000),
  });
  await response.arrayBuffer(); // so that the connection can be used again
  return response.status;
}

// Sends a request, and one more after a 401: the token may have been replaced between reading and sending.
async function call() {
  const status = await ask();
  return status === 401 ? ask() : status;
}

// Node ignores SIGTERM if it is process 1 of a container.
process.on("SIGTERM", () => process.exit(0));

for (;;) {
  try {
    console.log(await call());
  } catch (error) {
    console.log("failed:", error.cause?.code ?? error.message);
  }
  await sleep(Number(INTERVAL_SECONDS) * 1000);
}
