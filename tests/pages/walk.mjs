// Walks the pages in a real browser: from a control to its evidence, by mouse, by keyboard and without a script; holds
// them against axe-core, at the width of a phone and of a desk, light and dark; and measures the long one.
//
//   node walk.mjs --playwright FOLDER --axe FOLDER --files FOLDER --url http://127.0.0.1:PORT --shots FOLDER [--measure]
//
// With --measure, how long the long page takes is held against its bar: on a machine that does nothing else.
// `files` holds run.html, alone.html, period.html, hostile.html and many.html. Prints a line a check that failed, and counts.
import { accessSync, constants, mkdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const text = { type: "string" };
const { values: given } = parseArgs({
  options: { playwright: text, axe: text, files: text, url: text, shots: text, measure: { type: "boolean" } },
});
const load = (folder, name) => createRequire(join(folder, "walk.cjs")).resolve(name);
const { chromium } = createRequire(join(given.playwright, "walk.cjs"))("playwright-core");
const axe = readFileSync(load(given.axe, "axe-core/axe.min.js"), "utf8");
const file = (name, hash = "") => pathToFileURL(join(given.files, name)).href + hash;

// The longest that the long page may take, in milliseconds, and be, in bytes.
const SECOND = 1000;
const LARGEST = 5 * 1024 * 1024;
const PHONE = 390;
const DESK = 1280;

let passed = 0;
let failed = 0;
function check(what, fine, detail = "") {
  if (fine) passed += 1;
  else {
    failed += 1;
    console.log(`failed: ${what}${detail ? `: ${detail}` : ""}`);
  }
}

// Whether something is to be seen, now or as soon as the browser gets to it.
async function shown(locator) {
  return locator.waitFor({ state: "visible", timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

function program(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Somewhere else, then.
    }
  }
  throw new Error(`${name} is not among the programs: install it`);
}

const browser = await chromium.launch({
  executablePath: program("chromium"),
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

// A page that says what went wrong in it, asks nobody else for anything, and is closed at the end.
async function visit(address, options, walk) {
  const context = await browser.newContext({ viewport: { width: DESK, height: 900 }, ...options });
  const page = await context.newPage();
  const troubles = [];
  const own = new URL(address).origin;
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "file:" && url.protocol !== "data:" && url.origin !== own) troubles.push(`asks ${url}`);
  });
  try {
    await page.goto(address);
    await walk(page);
  } catch (error) {
    check(`${address} can be walked`, false, error.message.split("\n").slice(0, 4).join(" "));
  }
  check(`${address} has no trouble`, troubles.length === 0, troubles.join("; "));
  await context.close();
}

const ready = (page) => page.waitForFunction(() => performance.getEntriesByName("table").length > 0);

async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const said = violations.map(({ id, nodes }) => `${id} (${nodes.length}) ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary ?? ""}`);
  check(`axe finds nothing in ${what}`, violations.length === 0, said.join(" | ").replace(/\s+/g, " "));
}

async function fits(page, what) {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(`nothing sticks out of ${what}`, beyond <= 0, `${beyond} px`);
}

const openAll = (page) => page.evaluate(() => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  // What is out of sight is looked at, too.
  for (const part of document.querySelectorAll(".objective, .check")) part.style.contentVisibility = "visible";
});

// Every look of a page: phone and desk, light and dark, as it comes and with everything opened.
async function look(address, name, has) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [PHONE, DESK]) {
      const what = `${name}, ${colorScheme}, ${width} px`;
      await visit(address, { colorScheme, viewport: { width, height: 900 } }, async (page) => {
        if (has === "table") await ready(page);
        await page.screenshot({ path: join(given.shots, `${name}-${colorScheme}-${width}.png`), fullPage: true });
        await fits(page, what);
        await accessible(page, what);
        await openAll(page);
        await fits(page, `${what}, opened`);
        if (width === DESK) await accessible(page, `${what}, opened`);
      });
    }
  }
  // What 200 % zoom leaves of a desk.
  await visit(address, { viewport: { width: DESK / 2, height: 450 }, deviceScaleFactor: 2 }, async (page) => {
    await openAll(page);
    await fits(page, `${name} at 200 %`);
  });
}

mkdirSync(given.shots, { recursive: true });

// The file: control, check, finding, evidence.
await visit(file("run.html"), {}, async (page) => {
  await page.getByRole("navigation", { name: "Contents" }).getByRole("link", { name: "Controls" }).click();
  const control = page.locator("details.control", { hasText: "A.8.12" });
  await control.locator("summary").first().click();
  check("a control shows its history", await control.locator("svg.span .hole").count() > 0);
  await control.getByRole("link", { name: "No bucket is open to the public" }).click();
  check("a control leads to its check", new URL(page.url()).hash === "#check-aws.s3.not_public");
  const group = page.locator("[id='check-aws.s3.not_public'] details.group.v-fail");
  check("a short list of fails is open", await group.evaluate((part) => part.open));
  await group.locator("details.evidence summary").first().click();
  const command = await group.locator("details.evidence pre").first().innerText();
  check("a finding leads to its stored line", command.startsWith("zstd -dc v1/objects/"), command);
  await ready(page);
  await page.getByLabel("Verdict").selectOption("fail");
  const said = page.locator("#table-said");
  check("the table is filtered", (await said.innerText()) === "1 to 4 of 4 findings", await said.innerText());
  check("the filter can be sent", page.url().endsWith("#findings?verdict=fail"), page.url());
  await page.locator("#table details summary").first().click();
  const proof = await page.locator("#table .proof").first().innerText();
  check("a row leads to its stored line", proof.includes("zstd -dc v1/objects/"), proof);
  check("a row says since when and whose", (await page.locator("#table").innerText()).includes("Web shop team"));
  await page.getByRole("button", { name: "Clear" }).click();
  await page.waitForFunction(() => document.querySelector("#table-said").textContent.includes("24 findings"));
  await page.locator("#filter-text").fill("cryptography");
  check("controls are filtered", (await page.locator("#filter-said").innerText()) === "1 of 10 controls");
});

// By keyboard alone. Without motion, so that what has the focus is in sight at once.
await visit(file("run.html"), { reducedMotion: "reduce" }, async (page) => {
  await page.keyboard.press("Tab");
  check("the first key leads past the head", await page.evaluate(() => document.activeElement.className) === "skip");
  await page.keyboard.press("Enter");
  check("it leads to the content", page.url().endsWith("#main"));
  let unseen = "";
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press("Tab");
    const where = await page.evaluate(() => {
      const at = document.activeElement;
      const style = getComputedStyle(at);
      const box = at.getBoundingClientRect();
      const seen = box.bottom > 0 && box.top < innerHeight && style.outlineStyle !== "none" && at !== document.body;
      return seen ? "" : at.outerHTML.slice(0, 120);
    });
    unseen ||= where;
  }
  check("where the keys are is always seen", unseen === "", unseen);
  const summary = page.locator("details.control > summary").first();
  await summary.focus();
  await page.keyboard.press("Enter");
  check("a control opens by a key", await page.locator("details.control").first().evaluate((part) => part.open));
});

// Without a script, on paper, and for who does not want motion.
await visit(file("run.html"), { javaScriptEnabled: false }, async (page) => {
  check("without a script the table says so", await page.locator(".unscripted").isVisible());
  check("without a script no filter is shown", !(await page.locator("#table-filter").isVisible()));
  await page.locator("details.control > summary").nth(5).click();
  check("without a script controls open", await shown(page.locator("details.control > .inside").nth(5)));
  // What is out of sight is not laid out before it comes near: see `content-visibility` in style.css.
  const finding = page.locator("[id='check-aws.s3.not_public'] .finding").first();
  await finding.scrollIntoViewIfNeeded();
  check("without a script findings are there", await shown(finding));
});
await visit(file("run.html"), { reducedMotion: "reduce" }, async (page) => {
  const motion = await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior);
  check("nothing moves for who does not want it", motion === "auto", motion);
  await page.emulateMedia({ media: "print" });
  check("paper has no navigation", !(await page.locator("nav.contents").isVisible()));
  const paper = await page.pdf({ format: "A4", printBackground: true });
  check("it can be printed", paper.length > 20_000, `${paper.length} bytes`);
});

// A link that was sent, and pages of the long table.
const sent = "#findings?verdict=fail&page=2";
await visit(file("many.html", sent), {}, async (page) => {
  await ready(page);
  const said = page.locator("#table-said");
  check("a link that was sent shows what it says", (await said.innerText()).startsWith("51 to 100 of "), await said.innerText());
  await page.getByRole("link", { name: "Next page" }).click();
  await page.waitForFunction(() => document.querySelector("#table-said").textContent.startsWith("101 to 150"));
  check("pages turn", page.url().endsWith("page=3"), page.url());
  await page.goBack();
  await page.waitForFunction(() => document.querySelector("#table-said").textContent.startsWith("51 to 100"));
  const begin = Date.now();
  await page.getByLabel("Text").fill("us-east-1 check_7");
  await page.waitForFunction(() => !document.querySelector("#table-said").textContent.startsWith("51 to"));
  const took = Date.now() - begin;
  console.log(`long page: a text is found among its rows in ${took} ms`);
  check("a text is found in under a second", took < SECOND, `${took} ms`);
});

// Names that mean harm, in what the script makes of them.
await visit(file("hostile.html"), {}, async (page) => {
  let asked = 0;
  page.on("dialog", (dialog) => {
    asked += 1;
    dialog.dismiss();
  });
  await ready(page);
  check("every name has its row", (await page.locator("#table tbody tr").count()) === 6);
  for (const summary of await page.locator("#table details summary").all()) await summary.click();
  // What a click opens is written when the browser says so, and not yet when the click returns.
  await page.locator("#table .proof pre").nth(5).waitFor();
  check("no name is markup", (await page.locator("img, #table script").count()) === 0 && asked === 0);
  const said = await page.locator("#table").innerText();
  check("names are still to be read", said.includes("<img src=x onerror=alert(1)>") && said.includes("__proto__"));
  check("what is hidden is seen", said.includes("\\u{202e}gpj.exe\\u{200b}\\u{a}\\u{0}") && !said.includes("\u202e"), said.slice(-900));
  const commands = await page.locator("#table .proof pre").allInnerTexts();
  const harmless = (command) => command.split("'").length === 3 && /^[ -~]*$/.test(command);
  check("commands are one harmless command", commands.length === 6 && commands.every(harmless), commands.join("\n"));
});

// The long page.
const bytes = statSync(join(given.files, "many.html")).size;
check("the long page is small", bytes < LARGEST, `${bytes} bytes`);
const times = [];
for (let round = 0; round < 5; round += 1) {
  await visit(file("many.html"), {}, async (page) => {
    await ready(page);
    times.push(await page.evaluate(() => [
      performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity,
      performance.getEntriesByName("table")[0].startTime,
    ]));
  });
}
// The best of the rounds is held against the bar: whatever else the machine does only adds to it.
const sorted = (at) => times.map((pair) => Math.round(pair[at])).sort((a, b) => a - b);
const [seen, usable] = [sorted(0), sorted(1)];
console.log(`long page: ${bytes} bytes; seen after ${seen[0]} ms (middle ${seen[2]}), table usable after ${usable[0]} ms (middle ${usable[2]})`);
if (given.measure) {
  check("the long page is seen in under a second", seen[0] < SECOND, `${seen} ms`);
  check("its table is usable in under a second", usable[0] < SECOND, `${usable} ms`);
}

for (const name of ["run", "alone", "period"]) await look(file(`${name}.html`), name, name === "period" ? "" : "table");

// The daemon: the same way, by links and forms alone.
await visit(`${given.url}/`, { javaScriptEnabled: false }, async (page) => {
  const pages = page.getByRole("navigation", { name: "Pages" });
  await pages.getByRole("link", { name: "Controls" }).click();
  await page.getByRole("link", { name: "Stop leaks of data" }).click();
  check("a control has a page", new URL(page.url()).pathname === "/controls/iso27001-2022/A.8.12", page.url());
  await page.getByRole("link", { name: "No bucket is open to the public" }).click();
  check("a check has its findings", page.url().endsWith("/findings?check=aws.s3.not_public"), page.url());
  await page.getByLabel("Verdict").selectOption("fail");
  await page.getByRole("button", { name: "Show" }).click();
  const verdicts = await page.locator("table.rows .verdict").allInnerTexts();
  check("findings are filtered", verdicts.length === 50 && verdicts.every((word) => word.includes("fail")), `${verdicts.length}`);
  const first = await page.locator("table.rows td.resource").first().innerText();
  await page.getByRole("link", { name: "Next page" }).click();
  check("findings have pages", (await page.locator("table.rows td.resource").first().innerText()) !== first);
  check("a page can be sent", page.url().includes("verdict=fail") && page.url().includes("cursor="), page.url());
  await page.getByRole("link", { name: "First page" }).click();
  await page.locator("table.rows td.resource a").first().click();
  const proof = await page.locator("main").innerText();
  check("a finding leads to its stored line", proof.includes("zstd -dc v1/objects/") && proof.includes('"verdict":"fail"'));
  check("a finding says since when and whose", proof.includes("Web shop team"));
  await page.getByRole("link", { name: "No bucket is open to the public" }).click();
  check("the way leads back", page.url().includes("/findings?check="));
});
const control = "/controls/iso27001-2022/A.8.12";
const finding = "/finding?account=123456789012&check=aws.s3.not_public&kind=aws.s3.bucket&provider=aws&region=eu-west-1&resource=invoices";
for (const [name, path] of [
  ["daemon", "/"],
  ["daemon-controls", "/controls"],
  ["daemon-control", control],
  ["daemon-checks", "/checks"],
  ["daemon-findings", "/findings"],
  ["daemon-finding", finding],
  ["daemon-timeline", "/timeline"],
  ["daemon-coverage", "/coverage"],
  ["daemon-trust", "/trust"],
]) {
  await look(given.url + path, name, "");
}

await browser.close();
console.log(`${passed} passed, ${failed} failed; screenshots in ${given.shots}`);
process.exit(failed === 0 ? 0 : 1);
