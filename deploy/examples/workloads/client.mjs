// Calls an API again and again with the token that lies in a file. There is no OAuth in here: tokensource keeps the file
// fresh. Node 18 or newer, nothing from npm.
//
// A private authority: NODE_EXTRA_CA_CERTS names its PEM file.

import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const { API_URL, TOKEN_FILE, INTERVAL_SECONDS } = process.env;

// One request, with the token as the file has it now.
async function ask() {
  // Opened by its name at each use: the kubelet swaps the folder behind the name, so a file that is kept open, and a
  // value that is kept in memory, stay old.
  const token = (await readFile(TOKEN_FILE, "utf8")).trim();
  const response = await fetch(API_URL, {
    headers: { Authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(30_000),
  });
  await response.arrayBuffer(); // or the connection cannot be used again
  return response.status;
}

// One request, and one more after a 401: the token may have been replaced between reading and sending.
async function call() {
  const status = await ask();
  return status === 401 ? ask() : status;
}

// As process 1 of a container, node would ignore it.
process.on("SIGTERM", () => process.exit(0));

for (;;) {
  try {
    console.log(await call());
  } catch (error) {
    console.log("failed:", error.cause?.code ?? error.message);
  }
  await sleep(Number(INTERVAL_SECONDS) * 1000);
}
