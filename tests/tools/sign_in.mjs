// Uses the page of a server with keys as a person does, in Chromium.
//
// node tests/tools/sign_in.mjs URL KEY PHOTO
//
// KEY may do everything. Prints what was seen, a line for each step; exits with 1 at the first that
// is not as it should be, and with 3 if the browser answers no more.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
// Longer than any step waits by itself.
const PATIENCE_MS = 90_000;
const [url, key, photo] = process.argv.slice(2);
if (!photo) {
  console.error("usage: sign_in.mjs URL KEY PHOTO");
  process.exit(2);
}

const profile = await mkdtemp(join(tmpdir(), "meshmemo-browser-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
});
const violations = [];
let step = "start";
const tooLong = setTimeout(() => {
  console.log(`FAIL ${step}: it took more than ${PATIENCE_MS} ms`);
  process.exit(3);
}, PATIENCE_MS);
try {
  const page = browser.pages()[0];
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) violations.push(message.text());
  });

  begin("without a key, the form to sign in is shown");
  assert.equal((await page.goto(url)).status(), 401);
  assert.ok(await page.getByLabel("API key").isVisible());

  begin("a wrong key is said to be wrong");
  await signIn(page, "mm_wrong");
  assert.match(await page.getByRole("alert").innerText(), /does not hold/);

  begin("with the right key, the page is shown, with its style");
  await signIn(page, key);
  assert.match(await page.locator("header").innerText(), /Signed in as/);
  const radius = await page.locator("section").first().evaluate((it) => getComputedStyle(it).borderRadius);
  assert.equal(radius, "12px");

  begin("the key is in a cookie that no script reads and no other site sends");
  const [cookie] = await browser.cookies();
  assert.ok(cookie.httpOnly && cookie.sameSite === "Strict" && cookie.value === key);
  assert.equal(await page.evaluate(() => document.cookie), "");

  begin("a photo sent from the form comes back as a model");
  await page.locator("#image").setInputFiles(photo);
  await page.locator("#quality").fill("1");
  const answered = page.waitForResponse((it) => it.url().endsWith("/api/generate"));
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Generate and download" }).click();
  assert.equal((await answered).status(), 200);
  assert.equal((await answered).headers()["content-type"], "model/gltf-binary");
  assert.match((await download).suggestedFilename(), /\.glb$/);

  begin("pages of other origins change nothing, be they of the same site or not");
  assert.equal(await statusOfForeignPost(page, "127.0.0.1"), 403);
  assert.equal(await statusOfForeignPost(page, "localhost"), 401);

  begin("after signing out, the form is shown again");
  await page.goto(url);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  assert.deepEqual(await browser.cookies(), []);

  assert.deepEqual(violations, [], "the page keeps to its own policy");
} catch (error) {
  console.log(`FAIL ${step}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  clearTimeout(tooLong);
  await rm(profile, { recursive: true, force: true });
}

function begin(name) {
  step = name;
  console.log(`     ${name}`);
}

async function signIn(page, text) {
  await page.getByLabel("API key").fill(text);
  const answered = page.waitForEvent("load");
  await page.getByRole("button", { name: "Sign in" }).click();
  await answered;
}

// Lets a page on another port of `host` post a form, with whatever the browser adds to it.
async function statusOfForeignPost(page, host) {
  const body = `<form method="post" action="${url}/api/cache/clear"><button>Win</button></form>`;
  const server = createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/html" });
    answer.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await page.goto(`http://${host}:${server.address().port}/`);
    const answered = page.waitForResponse((it) => it.url().endsWith("/api/cache/clear"));
    await page.getByRole("button", { name: "Win" }).click();
    return (await answered).status();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
