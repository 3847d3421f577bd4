// The overview: signs in, reads the operation every two seconds, and shows it.

import { lineChart } from "/static/charts.js";
import { card, change, empty, h, table } from "/static/page.js";
import * as session from "/static/session.js";
import { applyPreferences, market, number, prefer, preferences, span, t, time, word } from "/static/texts.js";
import { openTrace } from "/static/trace.js";

const EVERY = 2000;
const STALE = 10000;
const main = document.getElementById("main");
const banner = document.getElementById("banner");

let demo = [];
let seen = null; // the last overview
let readAt = 0; // by this page's clock
let failure = null;
let reading = false;
let live = { socket: null, state: "away", wait: 1000 };
let fresh = new Set(); // alerts that came while the page was open
let charted = ""; // what the charts on the page show
let timer = 0;

const money = (value, digits = 2, most = digits) => number(value, digits, most);

// --- signing in ---------------------------------------------------------------------------------

async function enter(username, password, code) {
  await session.signIn(username, password, code);
  begin();
}

function askToSignIn(message = "") {
  stop();
  const error = h("p", { class: "error", role: "alert" }, message);
  const submit = h("button", { class: "primary" }, t("signIn"));
  const field = (name, type, more = {}) => h("label", {}, t(name), h("input", { name, type, required: true, ...more }));
  const form = h("form", {
    async onsubmit(event) {
      event.preventDefault();
      submit.disabled = true;
      const given = new FormData(form);
      try {
        await enter(given.get("username"), given.get("password"), given.get("code"));
      } catch (problem) {
        error.textContent = problem.status === 401 ? t("badCredentials") : t("failed", problem.message);
        submit.disabled = false;
      }
    },
  }, field("username", "text", { autocomplete: "username" }), field("password", "password", { autocomplete: "current-password" }),
  field("code", "text", { required: false, inputmode: "numeric", autocomplete: "one-time-code", pattern: "[0-9]{6}" }), submit, error);
  main.replaceChildren(h("section", { class: "card sign-in" }, h("header", {}, h("h1", {}, t("signIn"))), h("div", { class: "body" }, form)), signInsOfDemo());
}

function signInsOfDemo() {
  if (!demo.length) return "";
  const mine = session.user()?.username;
  return h("div", { class: "as" }, h("span", { class: "label" }, t("signInAs")), demo.map((one) =>
    h("button", { type: "button", "aria-pressed": String(one.username === mine), onclick: () => enter(one.username, one.password).catch(failed) }, word("roles", one.role) + (one.username.match(/-\d+$/)?.[0].replace("-", " ") ?? "")))));
}

function begin() {
  stop();
  seen = failure = null;
  charted = "";
  main.replaceChildren(h("p", { class: "empty" }, t("loading")));
  const role = session.user().role;
  showUser();
  if (!session.user().permissions.includes("overview")) {
    main.replaceChildren(empty(t("notStaff", word("roles", role))), signInsOfDemo());
    return;
  }
  read();
  timer = setInterval(read, EVERY);
  listen();
}

function stop() {
  clearInterval(timer);
  const socket = live.socket;
  live = { socket: null, state: "away", wait: 1000 };
  socket?.close();
  for (const id of ["clock", "live", "who", "sign-out"]) document.getElementById(id).hidden = true;
  banner.hidden = true;
  main.classList.remove("stale");
}

function showUser() {
  const who = document.getElementById("who");
  who.textContent = session.user().username;
  who.hidden = document.getElementById("sign-out").hidden = false;
}

// --- reading ------------------------------------------------------------------------------------

async function read() {
  if (reading || document.hidden) return;
  reading = true;
  try {
    seen = await session.get("/operations/overview");
    readAt = Date.now();
    failure = null;
    show();
  } catch (error) {
    if (error.status === 401) askToSignIn();
    else failed(error);
  } finally {
    reading = false;
    showFreshness();
  }
}

function failed(error) {
  failure = error;
  showFreshness();
}

function listen() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/alerts`, ["commenda", `bearer.${session.token()}`]);
  live.socket = socket;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    live.state = "live";
    live.wait = 1000;
    if (message.type === "heartbeat") lengthen(socket);
    if (message.type === "update") fresh.add(keyOf(message.data));
    if (message.type === "update" || message.type === "gap") read();
    showFreshness();
  };
  socket.onclose = async ({ code }) => {
    if (live.socket !== socket) return;
    live.state = "away";
    showFreshness();
    const wait = (live.wait = Math.min(live.wait * 2, 30000));
    if (code === 4401) await session.renew().catch(() => {});
    setTimeout(() => live.socket === socket && session.token() && listen(), wait);
  };
}

// A session that goes on: the socket is told the newer token.
let told = null;
function lengthen(socket) {
  if (told !== session.token() && socket.readyState === WebSocket.OPEN) {
    told = session.token();
    socket.send(JSON.stringify({ type: "auth", token: told }));
  }
}

const keyOf = (alert) => `${alert.kind} ${alert.subject} ${Date.parse(alert.at)}`;

// --- showing ------------------------------------------------------------------------------------

function showFreshness() {
  const age = Date.now() - readAt;
  const stale = seen !== null && age > STALE && !document.hidden;
  main.classList.toggle("stale", stale);
  banner.classList.toggle("failed", failure !== null);
  banner.hidden = !stale && failure === null;
  if (failure) banner.textContent = t("failed", failure.message);
  if (stale) banner.textContent = `${failure ? `${t("failed", failure.message)} — ` : ""}${t("stale", number(age / 1000), time(new Date(readAt).toISOString(), true))}`;
  const pill = document.getElementById("live");
  pill.hidden = seen === null;
  pill.className = `pill ${stale || failure ? "bad" : live.state === "live" ? "good" : "warn"}`;
  pill.textContent = live.state === "live" ? t("live") : t("polling");
  pill.title = live.state === "live" ? "/ws/alerts" : t("away");
}

// Between two answers the clock runs on at the business's pace, a little further than the next
// answer should take; a clock that nobody moves is said to stand still.
function showClock() {
  if (!seen) return;
  const { now, mode, pace, advancedAt, wall } = seen.clock;
  const since = Math.min(Date.now() - readAt, 2 * EVERY);
  const still = mode === "paced" && Date.parse(wall) - Date.parse(advancedAt) > 15000;
  const speed = mode === "wall" ? 1 : mode === "paced" && !still ? pace : 0;
  document.getElementById("clock-time").textContent = time(new Date(Date.parse(now) + since * speed).toISOString(), true);
  const pill = document.getElementById("clock-mode");
  pill.className = still ? "pill warn" : "pill";
  pill.textContent = still ? t("stopped") : mode === "paced" ? t("paced", span(86400 / pace)) : t(mode);
  document.getElementById("clock").hidden = false;
}

function show() {
  showClock();
  if (!main.querySelector("#flow")) {
    main.replaceChildren(...["top", "flow", "tiles", "charts", "middle", "pools", "traces", "signals"].map((id) => h("div", { id })));
  }
  fill("top", heading());
  fill("flow", flow());
  fill("tiles", tiles());
  fill("middle", h("div", { class: "two" }, h("div", { class: "stack" }, retries(), machinery()), alerts()));
  fill("pools", pools());
  fill("traces", traces());
  fill("signals", signals());
  const days = JSON.stringify([seen.days.at(-1), seen.days.length, preferences.language]);
  if (days !== charted) {
    charted = days;
    fill("charts", charts());
  }
}

// Replaced only where something changed, so that what is selected or focused stays.
function fill(id, content) {
  const place = document.getElementById(id);
  if (place.firstChild?.isEqualNode(content) && id !== "charts") return;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const scrolled = [...place.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  place.replaceChildren(content);
  [...place.querySelectorAll(".scroll")].forEach((box, n) => { box.scrollLeft = scrolled[n] ?? 0; });
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function heading() {
  return h("div", { class: "as" }, h("h1", {}, t("title")), h("span", { class: "asof" }, t("asOf", time(seen.clock.now))), h("span", { class: "spread" }), signInsOfDemo());
}

function flow() {
  const { people, subscriptions: states } = seen;
  const item = (name, count, more, waiting = false) => h("li", { class: waiting && "waiting" },
    h("span", { class: "state" }, t(name)), h("span", { class: "count" }, number(count)), more.map((text) => h("span", { class: "more" }, text)));
  const passed = (one) => [`${t("ever")} ${number(one.ever)}`, `${t("lastDay")} +${number(one.lastDay)}`];
  const state = (name, waiting = false) => item(name, states[name].now, passed(states[name]), waiting && states[name].now > 0);
  return h("section", { class: "card" },
    h("header", {}, h("h2", {}, t("loop")), h("span", { class: "asof" }, `${t("now")} · ${t("cancelled")}: ${number(states.cancelled.now)}`)),
    h("ol", { class: "flow" },
      item("registered", people.investors, [t("investors")]), item("deposited", people.funded, [t("ofThem")]),
      state("reserved"), state("active"), state("matured"), state("liquidating", seen.retries.length > 0), state("liquidated"),
      item("settled", states.settled.now, [`${t("lastDay")} +${number(states.settled.lastDay)}`])));
}

function tiles() {
  const { money: sums, asset } = seen;
  const tile = (name, value, more) => h("div", { class: "card tile" }, h("span", { class: "label" }, t(name)),
    h("span", { class: "value" }, value === null ? t("nothing") : money(value)), h("span", { class: "unit" }, ` ${asset}`), h("span", { class: "more" }, more));
  return h("div", { class: "tiles" },
    tile("underManagement", sums.underManagement, t("underManagementMore", time(sums.valuedAt))),
    tile("outstanding", sums.outstanding, t("outstandingMore", money(sums.reserved))),
    tile("depositedSum", sums.deposited, t("depositedMore", money(sums.withdrawn))),
    tile("fees", Number(sums.managementFee) + Number(sums.toPlatform), t("feesMore", money(sums.managementFee), money(sums.toPlatform))),
    tile("toCreators", sums.toCreators, t("toCreatorsMore")),
    tile("referral", sums.referralPaid, t("referralMore", money(sums.referralPending))));
}

function charts() {
  const index = seen.days.filter((one) => one.index !== null).map((one) => ({ at: one.at, value: Number(one.index) }));
  const values = seen.days.filter((one) => one.books > 0 || Number(one.nav) > 0).map((one) => ({ at: one.at, value: Number(one.nav) }));
  const last = index.at(-1);
  const drawn = (points, options) => (points.length > 1 ? lineChart(points, options) : h("div", { class: "body" }, empty(t("noNav"))));
  return h("div", { class: "two" },
    card(t("navIndex"), h("span", {}, last ? change(last.value / 100 - 1) : "", ` ${t("navMethod")}`), drawn(index, { title: t("navIndex"), digits: 2, base: 100 })),
    card(t("aum"), t("aumMethod", seen.asset), drawn(values, { title: t("aum"), digits: 0, area: true })));
}

function retries() {
  const body = seen.retries.length ? table([
    [t("subscription"), (row) => traceButton(row.id, row.id.slice(0, 8))],
    [t("amount"), (row) => `${money(row.amount)} ${row.asset}`, "r"],
    [t("attempts"), (row) => number(row.attempts), "r"],
    [t("nextTry"), (row) => time(row.nextRetryAt)],
    [t("reason"), (row) => row.reason, "wrap"],
  ], seen.retries) : h("div", { class: "body" }, empty(t("noRetries")));
  return card(t("retries"), t("asOf", time(seen.clock.now)), body);
}

function alerts() {
  const body = seen.alerts.length ? table([
    [t("at"), (row) => time(row.lastAt)],
    [t("kind"), (row) => `${word("kinds", row.kind)}${row.count > 1 ? ` × ${row.count}` : ""}${row.closedAt ? ` · ${t("over")}` : ""}`],
    [t("subject"), (row) => (/^[0-9a-f-]{36}$/.test(row.subject) ? traceButton(row.subject, row.subject.slice(0, 8), row.at) : row.subject)],
    [t("details"), (row) => detailed(row.details), "wrap"],
  ], seen.alerts.slice(0, 8), (row) => fresh.has(keyOf(row))) : h("div", { class: "body" }, empty(t("noAlerts")));
  return card(t("alerts"), t("asOf", time(seen.clock.now)), body);
}

const detailed = (details) => Object.entries(details).filter(([, value]) => value !== null).map(([name, value]) => (name === "reason" ? value : `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)).join(" · ");

const traceButton = (id, text, more = "") => h("button", { type: "button", class: "plain id", "data-key": `${id}${more}`, "aria-label": `${t("trace")} ${text}`, onclick: () => openTrace(id) }, text);

function pools() {
  const { income, asset } = seen;
  const rate = (value) => `${number(Number(value) * 100, 2, 6)}%`;
  const sold = (one) => `${money(one.soldAmount)} / ${money(one.totalQuota, 0)} ${one.asset} · ${number((Number(one.soldAmount) / Number(one.totalQuota)) * 100)}%`;
  const kind = (row) => `${word("poolTypes", row.type)}${row.termDays === null ? "" : ` · ${t("days", row.termDays)}`} · ${word("cadences", row.cadence)}`;
  const body = income.pools.length ? table([
    [t("product"), (row) => row.name],
    [t("kind"), kind],
    [t("dailyRate"), (row) => rate(row.dailyRate), "r"],
    [t("nextRate"), (row) => (row.nextRate === null ? t("nothing") : t("nextRateFrom", rate(row.nextRate), row.nextRateFrom)), "r"],
    [t("sold"), sold, "r"],
    [t("accrued"), (row) => (row.accrued === null ? t("nothing") : `${money(row.accrued, 2, 8)} ${row.asset}`), "r"],
    [t("accruedThrough"), (row) => row.accruedThrough, "r"],
  ], income.pools) : h("div", { class: "body" }, empty(t("noPools")));
  const note = [
    t("poolsSold", money(income.soldAmount), money(income.totalQuota, 0), asset),
    income.accrued === null ? t("poolsWaiting", income.day) : t("poolsAccrued", income.day, `${money(income.accrued)} ${asset}`, number(income.holdings)),
    t("poolsThrough", income.accruedThrough ?? t("nothing")),
  ].join(" · ");
  return card(t("pools"), income.pools.length ? note : t("asOf", time(seen.clock.now)), body);
}

function traces() {
  const body = seen.traces.length ? table([
    [t("trace"), (row) => traceButton(row.id, row.id.slice(0, 8))],
    [t("settledAt"), (row) => time(row.settledAt)],
    [t("investor"), (row) => row.investor],
    [t("product"), (row) => `${word("profiles", row.profile)} · ${t("days", row.termDays)} · ${word("tiers", row.tier)}`],
    [t("principal"), (row) => `${money(row.amount)} ${row.asset}`, "r"],
    [t("toWallet"), (row) => `${money(row.toWallet)} ${row.asset}`, "r"],
    [t("return"), (row) => change(row.return), "r"],
    [t("deviation"), (row) => h("span", { class: `pill ${{ WARNING: "warn", ALERT: "bad" }[row.deviationLevel] ?? ""}` }, word("levels", row.deviationLevel))],
  ], seen.traces) : h("div", { class: "body" }, empty(t("noTraces")));
  return card(t("traces"), `${t("tracesMethod")} · ${t("asOf", time(seen.clock.now))}`, body);
}

function signals() {
  const percent = (target) => `${number(Number(target) * 100, 0, 1)}%`;
  const body = seen.signals.length ? table([
    [t("at"), (row) => time(row.createdAt)],
    [t("flow"), (row) => row.flow],
    [t("symbol"), (row) => row.symbol],
    [t("target"), (row) => `${percent(row.previousTarget)} → ${percent(row.target)}`, "r"],
    [t("price"), (row) => number(row.referencePrice, 2, 6), "r"],
  ], seen.signals) : h("div", { class: "body" }, empty(t("noSignals")));
  return card(t("signals"), t("asOf", time(seen.clock.now)), body);
}

function machinery() {
  const silent = (one) => one.silentSeconds > 15;
  const workers = seen.workers.length ? table([
    [t("worker"), (one) => one.id],
    [t("state"), (one) => h("span", { class: `pill ${silent(one) ? "bad" : "good"}` }, silent(one) ? t("silent", number(one.silentSeconds)) : t("up"))],
    [t("what"), (one) => (one.leads ? t("leads") : t("follows"))],
    [t("lastTick"), (one) => time(one.tickAt)],
  ], seen.workers) : h("div", { class: "body" }, empty(t("noWorkers")));
  const feed = seen.feed.instruments ? t("feedMarks", number(seen.feed.instruments), time(seen.feed.newestMark)) : t("feedNone");
  return card(t("machinery"), `${t("feed")}: ${feed}`, workers);
}

// --- the page -----------------------------------------------------------------------------------

function label() {
  document.querySelectorAll("[data-t]").forEach((element) => { element.textContent = t(element.dataset.t); });
  document.getElementById("language").textContent = t("languageName");
  document.getElementById("language").lang = preferences.language === "zh" ? "en" : "zh-CN";
  document.getElementById("theme").textContent = preferences.theme === "dark" ? t("toLight") : t("toDark");
  document.getElementById("colours").textContent = market() === "red-up" ? t("toGreenUp") : t("toRedUp");
}

function again() {
  label();
  document.getElementById("trace").close();
  if (!session.user()) askToSignIn();
  else if (seen) show();
  else begin();
  showFreshness();
}

const on = (id, act) => document.getElementById(id).addEventListener("click", act);
on("language", () => { prefer("language", preferences.language === "zh" ? "en" : "zh"); again(); });
on("theme", () => { prefer("theme", preferences.theme === "dark" ? "light" : "dark"); label(); });
on("colours", () => { prefer("market", market() === "red-up" ? "green-up" : "red-up"); label(); });
on("sign-out", () => { session.signOut(); seen = null; askToSignIn(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && session.user()) read(); });
setInterval(() => { showClock(); if (seen) showFreshness(); }, 250);

applyPreferences();
label();
demo = await session.signIns();
const auditor = demo.find((one) => one.role === "auditor");
if (session.user()) begin();
else if (auditor) enter(auditor.username, auditor.password).catch((error) => askToSignIn(error.message));
else askToSignIn();
