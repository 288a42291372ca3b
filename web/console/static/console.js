"use strict";
// The page at /: everything it shows comes from the public API, with the token of this tab.

const rowsShown = 1000; // more would make the page slow; the answer says how many there are
const tablesEvery = 5000; // ms

const $ = (id) => document.getElementById(id);
const tokenKey = "weir.token";
let running = null; // AbortController of the running query

// A link with #token=... logs in once; the address bar must not keep it.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(tokenKey, given);
  history.replaceState(null, "", location.pathname);
}

const token = () => sessionStorage.getItem(tokenKey) || "";

class Failure extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || "status " + status);
    this.status = status;
  }
}

async function call(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { Authorization: "Bearer " + token(), ...options.headers } });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    if (answer.status === 401) ask(token() ? "This token is not valid." : "");
    throw new Failure(problem, answer.status);
  }
  return answer;
}

function ask(why) {
  if (!$("login").hidden) return; // asked already, by another call that failed
  sessionStorage.removeItem(tokenKey);
  $("app").hidden = true;
  $("login").hidden = false;
  $("login-error").textContent = why;
  $("token").focus();
}

$("login").addEventListener("submit", (e) => {
  e.preventDefault();
  sessionStorage.setItem(tokenKey, $("token").value.trim());
  $("token").value = "";
  begin();
});

const number = (n) => Number(n).toLocaleString("en-US");

function ago(ms) {
  if (!ms) return "";
  const s = Math.max(0, (Date.now() - ms) / 1000);
  if (s < 10) return s.toFixed(1) + " s ago";
  if (s < 120) return Math.round(s) + " s ago";
  if (s < 7200) return Math.round(s / 60) + " min ago";
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ") + " UTC";
}

function bytes(n) {
  if (n < 1024) return n + " B";
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let i = -1;
  do { n /= 1024; i++; } while (n >= 1024 && i < units.length - 1);
  return n.toFixed(1) + " " + units[i];
}

// line makes a row of cells; values are texts, never markup.
function line(cells) {
  const tr = document.createElement("tr");
  for (const c of cells) {
    const td = document.createElement("td");
    td.textContent = c.text;
    if (c.number) td.className = "n";
    if (c.isNull) td.className = "null";
    if (c.title) td.title = c.title;
    tr.append(td);
  }
  return tr;
}

const text = (t, title) => ({ text: t, title });
const num = (n) => ({ text: number(n), number: true });

function showJobs(jobs) {
  $("jobs").replaceChildren(...jobs.map((j) => line([
    text(j.name, j.id), text(j.sink), text(j.state + (j.error ? ": " + j.error.split("\n")[0] : ""), j.error), num(j.epoch), num(j.pending),
    num(j.rows_in), num(j.rows_out), num(Math.round(j.rows_per_second)), { text: bytes(j.state_bytes), number: true }, text(ago(j.last_commit_ms)),
  ])));
}

// watch reads the server's events; fetch is used because EventSource cannot send the token.
async function watch() {
  for (;;) {
    try {
      const answer = await call("v1/jobs/events");
      $("jobs-error").textContent = "";
      $("status").textContent = "connected";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const e of events) {
          const data = e.split("\n").find((l) => l.startsWith("data: "));
          if (data) showJobs(JSON.parse(data.slice(6)));
        }
      }
    } catch (e) {
      if (e.status === 401) return;
      $("jobs-error").textContent = e.message;
    }
    $("status").textContent = "not connected, trying again";
    await new Promise((done) => setTimeout(done, 2000));
  }
}

async function showTables() {
  try {
    const { items } = await (await call("v1/tables")).json();
    $("tables-error").textContent = "";
    $("tables").replaceChildren(...items.map((t) => line([
      text(t.database + "." + t.name, t.comment), text(t.kind), t.kind === "connector" ? text("") : num(t.rows),
      t.snapshot ? num(t.snapshot) : text(""), text(ago(t.committed_ms)),
    ])));
  } catch (e) {
    if (e.status === 401) return;
    $("tables-error").textContent = e.message;
  }
  setTimeout(showTables, tablesEvery);
}

function showRows(answer) {
  const table = $("rows");
  table.replaceChildren();
  if (!answer.columns) return;
  const numeric = answer.columns.map((c) => /^(TINYINT|SMALLINT|INT|BIGINT|FLOAT|DOUBLE|DECIMAL)/.test(c.type));
  const head = document.createElement("tr");
  answer.columns.forEach((c, i) => {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = c.name;
    th.title = c.type;
    if (numeric[i]) th.className = "n";
    head.append(th);
  });
  const thead = document.createElement("thead");
  thead.append(head);
  const tbody = document.createElement("tbody");
  for (const row of answer.data.slice(0, rowsShown)) {
    tbody.append(line(answer.columns.map((c, i) => {
      const v = row[c.name];
      if (v === null) return { text: "NULL", isNull: true };
      return { text: typeof v === "object" ? JSON.stringify(v) : String(v), number: numeric[i] };
    })));
  }
  table.append(thead, tbody);
}

function describe(answer) {
  if (!answer.columns) return answer.message || "done";
  const parts = [number(answer.rows) + (answer.rows === 1 ? " row" : " rows")];
  if (answer.rows > rowsShown) parts.push("the first " + number(rowsShown) + " shown");
  parts.push(answer.statistics.elapsed_ms + " ms");
  if (answer.cut) {
    parts.push(answer.cut.level + (answer.cut.epoch ? " of epoch " + answer.cut.epoch : "") + (answer.cut.age_ms ? ", " + (answer.cut.age_ms / 1000).toFixed(1) + " s old" : ""));
    if (answer.cut.held_by) parts.push("held back by " + answer.cut.held_by);
  }
  return parts.join(", ");
}

async function run() {
  if (running) return;
  running = new AbortController();
  $("run").disabled = true;
  $("cancel").disabled = false;
  $("query-error").textContent = "";
  $("query-status").textContent = "running";
  try {
    const answer = await (await call("v1/query?bigint=string", {
      method: "POST", signal: running.signal, headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ sql: $("sql").value, session: sessionName(), format: "json" }),
    })).json();
    showRows(answer);
    $("query-status").textContent = describe(answer);
    if (answer.error) $("query-error").textContent = answer.error.detail;
  } catch (e) {
    $("rows").replaceChildren();
    $("query-status").textContent = "";
    $("query-error").textContent = e.name === "AbortError" ? "Canceled." : e.message;
  } finally {
    running = null;
    $("run").disabled = false;
    $("cancel").disabled = true;
  }
}

// sessionName keeps what SET and USE do for this tab.
function sessionName() {
  let name = sessionStorage.getItem("weir.session");
  if (!name) {
    name = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("weir.session", name);
  }
  return name;
}

$("query").addEventListener("submit", (e) => {
  e.preventDefault();
  run();
});
$("sql").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    run();
  }
});
$("cancel").addEventListener("click", () => running && running.abort());

function begin() {
  if (!token()) {
    ask("");
    return;
  }
  $("login").hidden = true;
  $("app").hidden = false;
  watch();
  showTables();
}

begin();
