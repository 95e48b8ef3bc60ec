// A key verifier on better-auth's API-key plugin and SQLite, on Node's own HTTP server.
//
//   node server.mjs DATABASE            makes the tables and a user, and prints a fresh key
//   node server.mjs DATABASE PORT N     serves from N processes
//
// The plugin's own rate limit is off: it allows ten requests a day by default.

import cluster from "node:cluster";
import { createServer } from "node:http";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import Database from "better-sqlite3";

const [path, port, processes] = process.argv.slice(2);
const database = new Database(path);
database.pragma("journal_mode = WAL");
const auth = betterAuth({
  database,
  secret: "test-secret-of-a-throwaway-site-0123456789",
  baseURL: "http://127.0.0.1",
  emailAndPassword: { enabled: true },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});

async function prepare() {
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  const { user } = await auth.api.signUpEmail({
    body: { name: "bench", email: "bench@example.com", password: "test-password-0123456789" },
  });
  const { key } = await auth.api.createApiKey({ body: { name: "bench", userId: user.id } });
  console.log(key);
}

async function answer(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const { credential } = JSON.parse(Buffer.concat(pieces));
  const verdict = await auth.api.verifyApiKey({ body: { key: credential } });
  const body = JSON.stringify({ is_valid: verdict.valid, key: verdict.key ?? null });
  response.writeHead(200, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
}

function serve() {
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      response.writeHead(500, { "Content-Length": 0 });
      response.end();
      console.error(error);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(Number(port), "127.0.0.1");
}

if (port === undefined) {
  await prepare();
} else if (cluster.isPrimary) {
  for (let at = 0; at < Number(processes); at++) cluster.fork();
  process.on("SIGTERM", () => process.exit(0));
} else {
  serve();
}
