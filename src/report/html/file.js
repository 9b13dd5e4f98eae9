"use strict";
// Only comfort: filters, pages of the table of findings, and opening what a link or the printer needs. Names from
// elsewhere become text, never markup.
const byId = (id) => document.getElementById(id);
const PAGE = 50;

// Controls: a filter over what stands in the page.
const bar = byId("filter");
const controls = Array.from(document.querySelectorAll("details.control"));
if (bar && controls.length) {
  const text = byId("filter-text");
  const standing = byId("filter-standing");
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const control of controls) {
      const all = words.length ? control.textContent.toLowerCase() : "";
      const fits = (!standing.value || control.dataset.standing === standing.value) && words.every((word) => all.includes(word));
      control.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    byId("filter-said").textContent = shown === controls.length ? "" : `${shown} of ${controls.length} controls`;
  };
  bar.hidden = false;
  text.addEventListener("input", filter);
  standing.addEventListener("change", filter);
  byId("open-all").addEventListener("click", () => {
    const close = controls.every((control) => control.open);
    for (const control of controls) control.open = !close;
  });
}

// Findings: columns that are unpacked, filtered and shown a page at a time.
const island = byId("rows");
const form = byId("table-filter");
const FILTERS = ["verdict", "severity", "provider", "account", "check", "text"];
let table = null;
let wanted = { page: 1 };

const spread = (runs, length) => {
  const out = new Array(length);
  let at = 0;
  for (const [value, many] of runs) for (let i = 0; i < many; i++) out[at++] = value;
  return out;
};

async function unpack(text) {
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = JSON.parse(await new Response(stream).text());
  const length = data.resource.length;
  for (const name of ["verdict", "severity", "check", "place", "kind", "waiver", "value", "reason", "since", "owner"]) {
    data[name] = spread(data[name], length);
  }
  return data;
}

// What is not seen, or changes how others are seen, is written as an escape.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}\p{Co}\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0]/gu;
const visible = (text) => text.replace(HIDDEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

// A JSON string in ASCII and without a quote that a shell knows.
const quoted = (text) =>
  JSON.stringify(text).replace(/[^ -&(-~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

const element = (name, text, kind) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = visible(String(text));
  if (kind) made.className = kind;
  return made;
};

function matching() {
  const { checks, places, kinds, values, reasons, owners } = table;
  const words = (wanted.text || "").toLowerCase().split(/\s+/).filter(Boolean);
  const check = wanted.check ? checks.findIndex(([id]) => id === wanted.check) + 1 : 0;
  const place = places.map(([provider, account]) =>
    (!wanted.provider || provider === wanted.provider) && (!wanted.account || account === wanted.account));
  // Each word is looked for once in every list of words, and in a row only where it stands in none of them.
  const lower = (list) => list.map((one) => String(one).toLowerCase());
  const lists = words.map((word) => {
    const has = (list) => [false, ...lower(list).map((one) => one.includes(word))];
    return { word, check: has(checks), place: has(places), kind: has(kinds), value: has(values), reason: has(reasons), owner: has(owners) };
  });
  const rows = [];
  for (let i = 0; i < table.resource.length; i++) {
    if (wanted.verdict && table.verdict[i] !== wanted.verdict) continue;
    if (wanted.severity && table.severity[i] !== wanted.severity) continue;
    if (wanted.check && table.check[i] !== check) continue;
    if (!place[table.place[i] - 1]) continue;
    const fits = lists.every((list) =>
      list.check[table.check[i]] || list.place[table.place[i]] || list.kind[table.kind[i]] || list.value[table.value[i]]
      || list.reason[table.reason[i]] || list.owner[table.owner[i]] || table.resource[i].toLowerCase().includes(list.word));
    if (fits) rows.push(i);
  }
  return rows;
}

function proof(i) {
  const box = element("div", undefined, "proof");
  const values = table.value[i] ? JSON.parse(table.values[table.value[i] - 1]) : null;
  if (values) {
    const list = element("dl", undefined, "values");
    for (const [name, value] of Object.entries(values)) {
      const pair = element("div");
      pair.append(element("dt", name), element("dd"));
      if (value === null) pair.lastChild.append(element("span", "absent", "note"));
      else pair.lastChild.append(element("code", JSON.stringify(value)));
      list.append(pair);
    }
    box.append(list);
  } else {
    box.append(element("p", "The values are too long for this table; the stored line holds them.", "note"));
  }
  const reasons = table.reason[i] ? table.reasons[table.reason[i] - 1].split("\n") : [];
  for (const reason of reasons) box.append(element("p", reason, "because"));
  const object = table.object[i] ? table.objects[table.object[i] - 1] : "";
  if (object) {
    const where = element("p", "Finding in ");
    where.append(element("code", object));
    box.append(where);
    if (/^v1\/[\w./-]+$/.test(object) && !object.includes("..")) {
      const [id] = table.checks[table.check[i] - 1];
      const whole = !/… \(\d+ bytes in all\)$/.test(table.resource[i]);
      const and = whole ? ` and .resource == ${quoted(table.resource[i])}` : "";
      const pre = element("pre");
      pre.append(element("code", `zstd -dc ${object} | jq -c 'select(.check == ${quoted(id)}${and})'`));
      box.append(pre);
    }
  }
  return box;
}

function row(i) {
  const [provider, account, region] = table.places[table.place[i] - 1];
  const [id, title] = table.checks[table.check[i] - 1];
  const line = element("tr", undefined, `v-${table.verdict[i]}`);
  line.setAttribute("role", "row");
  const verdict = element("td");
  verdict.append(element("span", table.verdict[i].replace("_", " "), `verdict v-${table.verdict[i]}`));
  const severity = element("td");
  severity.append(element("span", table.severity[i], `sev sev-${table.severity[i]}`));
  const what = element("td", undefined, "resource");
  const details = element("details");
  const summary = element("summary");
  summary.append(element("code", table.resource[i]), " ", element("span", table.kinds[table.kind[i] - 1], "name"));
  details.append(summary);
  details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) details.append(proof(i)); });
  what.append(details);
  if (table.waiver[i]) what.append(element("span", `waived by ${table.waivers[table.waiver[i] - 1]}`, "tag"));
  if (table.since[i] || table.owner[i]) {
    const owner = table.owner[i] ? table.owners[table.owner[i] - 1] : "nobody declared";
    what.append(element("span", `since ${table.since[i]} · ${owner}`, "name"));
  }
  const where = element("td");
  where.append(element("span", `${provider} ${account}`, "account-id"), " ", element("span", region, "name"));
  const check = element("td");
  if (byId(`check-${id.replace(/[^A-Za-z0-9._-]/g, "_")}`)) {
    const link = element("a", title);
    link.href = `#check-${id.replace(/[^A-Za-z0-9._-]/g, "_")}`;
    check.append(link);
  } else {
    check.textContent = visible(title);
  }
  line.append(verdict, severity, what, where, check);
  for (const cell of line.children) cell.setAttribute("role", "cell");
  return line;
}

function show() {
  const rows = matching();
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  wanted.page = Math.min(Math.max(1, wanted.page), pages);
  const first = (wanted.page - 1) * PAGE;
  const said = rows.length === 0 ? "Nothing fits."
    : `${(first + 1).toLocaleString("en")} to ${Math.min(first + PAGE, rows.length).toLocaleString("en")} of ${rows.length.toLocaleString("en")} findings`;
  byId("table-said").textContent = said;
  const made = element("table", undefined, "rows");
  // Where there is little room its rows are laid out as blocks, and are a table all the same.
  made.setAttribute("role", "table");
  const head = element("tr");
  for (const title of ["Verdict", "Severity", "Resource", "Where", "Check"]) {
    const cell = element("th", title);
    cell.scope = "col";
    cell.setAttribute("role", "columnheader");
    head.append(cell);
  }
  made.append(element("thead"), element("tbody"));
  head.setAttribute("role", "row");
  for (const part of [made.tHead, made.tBodies[0]]) part.setAttribute("role", "rowgroup");
  made.tHead.append(head);
  made.tBodies[0].append(...rows.slice(first, first + PAGE).map(row));
  const frame = element("div", undefined, "scroll");
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Findings");
  frame.append(made);
  byId("table").replaceChildren(...(rows.length ? [frame] : []));
  const turn = (text, page) => {
    const link = element("a", text);
    link.href = address({ ...wanted, page });
    return link;
  };
  const links = [];
  if (wanted.page > 1) links.push(turn("First page", 1), turn("Previous page", wanted.page - 1));
  if (pages > 1) links.push(element("span", `Page ${wanted.page} of ${pages.toLocaleString("en")}`));
  if (wanted.page < pages) links.push(turn("Next page", wanted.page + 1));
  byId("table-pages").replaceChildren(...links);
}

// The address says what is shown, so that it can be sent.
function address(state) {
  const query = new URLSearchParams();
  for (const name of FILTERS) if (state[name]) query.set(name, state[name]);
  if (state.page > 1) query.set("page", state.page);
  const text = query.toString();
  return `#findings${text ? `?${text}` : ""}`;
}

function read() {
  const [, query] = location.hash.split("?");
  const given = new URLSearchParams(query || "");
  wanted = { page: Number.parseInt(given.get("page") || "1", 10) || 1 };
  for (const name of FILTERS) {
    wanted[name] = given.get(name) || "";
    form.elements[name].value = wanted[name];
    // A value that is no choice is shown as none, and still asks for nothing.
    if (form.elements[name].value !== wanted[name]) form.elements[name].selectedIndex = -1;
  }
}

function choices(name, values) {
  const all = element("option", "all");
  all.value = "";
  form.elements[name].replaceChildren(all, ...values.map(([value, text]) => {
    const choice = element("option", text);
    choice.value = value;
    return choice;
  }));
}

async function begin() {
  for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
  for (const part of document.querySelectorAll(".unscripted")) part.hidden = true;
  table = await unpack(island.textContent);
  const distinct = (values) => [...new Set(values)].sort();
  const order = (words, present) => words.filter((word) => present.has(word)).map((word) => [word, word.replace("_", " ")]);
  choices("verdict", order(["fail", "unknown", "waived", "pass", "not_applicable"], new Set(table.verdict)));
  choices("severity", order(["critical", "high", "medium", "low", "info"], new Set(table.severity)));
  choices("provider", distinct(table.places.map(([provider]) => provider)).map((one) => [one, one]));
  choices("account", distinct(table.places.map(([, account]) => account)).map((one) => [one, one]));
  choices("check", table.checks.map(([id, title]) => [id, title]).sort((a, b) => (a[1] < b[1] ? -1 : 1)));
  read();
  show();
  performance.mark("table");
  let waiting = 0;
  const change = () => {
    clearTimeout(waiting);
    for (const name of FILTERS) wanted[name] = form.elements[name].value;
    wanted.page = 1;
    history.replaceState(null, "", address(wanted));
    show();
  };
  form.addEventListener("change", change);
  form.elements.text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(change, 150);
  });
  form.addEventListener("reset", () => setTimeout(change));
  form.addEventListener("submit", (event) => event.preventDefault());
}

function reveal() {
  let name = location.hash.slice(1).split("?")[0];
  try { name = decodeURIComponent(name); } catch { return; }
  if (name === "findings" && table) {
    read();
    show();
  }
  const target = byId(name);
  for (let at = target; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") at.open = true;
    if (at.matches("details.control")) at.hidden = false;
  }
  if (target) target.scrollIntoView();
}

addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details.on-paper")) part.open = true;
});
if (location.hash) reveal();
if (island && form && globalThis.DecompressionStream) {
  // After the first paint: the table is long, and nobody waits for it to read the rest.
  setTimeout(() => begin().then(() => { if (location.hash.startsWith("#findings")) reveal(); }).catch(() => {
    byId("table-said").textContent = "The table cannot be unpacked by this browser; the findings of each check stand above.";
  }));
}
