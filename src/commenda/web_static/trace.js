// The trace of one subscription as a timeline that people can read.

import { lineChart } from "/static/charts.js";
import { change, empty, h, short, signed, table, when } from "/static/page.js";
import { get } from "/static/session.js";
import { number, t, time, word } from "/static/texts.js";

const money = (value) => number(value, 2);

export async function openTrace(id) {
  const dialog = document.getElementById("trace");
  const body = h("div", {}, h("p", { class: "note" }, t("loading")));
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "trace-title" }, t("traceOf", id.slice(0, 8))), h("button", { type: "button", onclick: () => dialog.close() }, t("close"))),
    body,
  );
  if (!dialog.open) dialog.showModal();
  try {
    body.replaceChildren(timeline(await get(`/managed-subscriptions/${id}/trace`)));
  } catch (error) {
    body.replaceChildren(empty(t("failed", error.message)));
  }
}

const step = (at, title, ...more) => h("li", {}, h("h3", {}, title), at ? when(at) : "", ...more);
const paragraph = (...text) => h("p", {}, ...text);
const folded = (title, ...body) => h("details", {}, h("summary", {}, title), ...body);

function timeline(chain) {
  const one = chain.subscription;
  const name = `${word("profiles", one.profile)} · ${t("days", one.termDays)} · ${word("tiers", one.tier)}`;
  const steps = [
    step(one.subscribedAt, t("tSubscribed"), paragraph(`${money(one.amount)} ${one.asset} · ${name}`)),
    step(null, t("tAllocated", chain.allocation.length), paragraph(t("tAllocatedMore", one.allocationVersion)), table([
      [t("creator"), (row) => row.title],
      [t("weight"), (row) => `${number(row.weight * 100, 2)}%`, "r"],
      [`${t("amount")} (${one.asset})`, (row) => money(row.amount), "r"],
    ], chain.allocation)),
  ];
  if (one.activatedAt) steps.push(step(one.activatedAt, t("tActivated")));
  if (one.activatedAt) steps.push(copied(chain.executions));
  if (chain.nav.length) steps.push(valued(chain.nav, one.asset));
  if (one.maturedAt) steps.push(step(one.maturedAt, t("tMatured")));
  if (one.liquidationRequestedAt) steps.push(step(one.liquidationRequestedAt, t("tRequested", word("doors", one.liquidationDoor))));
  steps.push(...tries(chain.liquidation));
  for (const settlement of chain.settlement) steps.push(settled(settlement, one.asset));
  if (chain.referral.length) {
    steps.push(step(chain.referral[0].releasedAt, t("tReferred"), table([
      [t("level"), (row) => row.level],
      [t("who"), (row) => short(row.payeeId)],
      [`${t("amount")} (${one.asset})`, (row) => number(row.amount, 2, 8), "r"],
      [t("state"), (row) => (row.releasedAt ? t("tReleased", time(row.releasedAt)) : t("tHeld", time(row.releaseAt)))],
    ], chain.referral)));
  }
  steps.push(record(chain));
  return h("ol", { class: "timeline" }, steps);
}

function copied(executions) {
  if (!executions.length) return step(null, t("tNone"));
  const full = executions.filter((row) => row.status === "completed").length;
  return step(executions[0].createdAt, t("tCopied", executions.length, full), folded(t("all"), table([
    [t("when"), (row) => time(row.createdAt)],
    [t("creator"), (row) => row.title],
    [t("symbol"), (row) => row.symbol],
    [t("quantity"), (row) => signed(row.executedAmount ?? row.requested, 3), "r"],
    [t("price"), (row) => number(row.executedPrice, 2, 6), "r"],
    [t("status"), (row) => (row.error ? `${row.status}: ${row.error}` : row.status)],
  ], executions)));
}

function valued(nav, asset) {
  const points = nav.map((row) => ({ at: row.at, value: Number(row.nav) }));
  const last = nav.at(-1);
  return step(nav[0].at, t("tValued"), paragraph(`${money(last.nav)} ${asset} `, change(last.return)),
    points.length > 1 ? lineChart(points, { title: t("tValued"), digits: 2, base: Number(last.capital) }) : null);
}

function tries(rows) {
  const attempts = new Map();
  for (const row of rows) attempts.set(row.begunAt, [...(attempts.get(row.begunAt) ?? []), row]);
  return [...attempts].map(([at, orders]) => {
    const flat = orders[0].outcome === "LIQUIDATED";
    const traded = orders.filter((row) => row.orderId);
    const found = step(at, `${t("tTry", orders[0].attempt + 1)}: ${flat ? t("tFlat") : t("tStuck")}`,
      orders[0].reason ? paragraph(orders[0].reason) : null,
      traded.length ? table([
        [t("symbol"), (row) => row.symbol],
        [t("quantity"), (row) => signed(row.quantity, 3), "r"],
        [t("price"), (row) => (Number(row.quantity) ? number(row.notional / row.quantity, 2, 6) : null), "r"],
      ], traded) : null);
    if (!flat) found.classList.add("failed");
    return found;
  });
}

function settled(row, asset) {
  const lines = [
    [t("equity"), row.equity], [t("managementFee"), -row.managementFee], [`${t("hurdle")} (${word("hurdleKinds", row.hurdleKind)})`, row.hurdle, true], [t("profitShare"), -row.profitShare],
    [`${t("thereof")} ${t("creators")}`, row.toCreators, true], [`${t("thereof")} ${t("platform")}`, row.toPlatform, true],
    [`${t("thereof")} ${t("referrers")}`, row.toReferrers, true],
  ];
  if (Number(row.shortfall)) lines.push([t("insurance"), row.shortfall]);
  return step(row.settledAt, t("tSettled"),
    paragraph(change(row.toWallet / row.principal - 1), ` · ${t("days", row.days)} · ${t("deviation")}: ${word("levels", row.deviationLevel)}`),
    h("div", { class: "scroll" }, h("table", {}, h("tbody", {},
      lines.map(([name, value, aside]) => h("tr", {}, h("td", { class: aside && "label" }, name), h("td", { class: `r ${aside ? "label" : ""}` }, number(value, 2, 8)))),
      h("tr", { class: "sum" }, h("td", {}, `${t("wallet")} (${asset})`), h("td", { class: "r" }, number(row.toWallet, 2, 8)))))));
}

function record(chain) {
  const entries = folded(t("tJournals", chain.journals.length), table([
    [t("when"), (row) => time(row.postedAt)],
    [t("journal"), (row) => `${row.id} ${row.kind}`],
    [t("account"), (row) => `${row.account} (${row.ownerKind})`],
    [t("amount"), (row) => signed(row.amount, 8), "r"],
  ], chain.journals));
  const events = folded(t("tEvents", chain.events.length), table([
    [t("when"), (row) => time(row.happenedAt)],
    [t("what"), (row) => row.kind],
    [t("result"), (row) => row.result],
    [t("who"), (row) => row.actor],
  ], chain.events));
  return h("li", {}, entries, events);
}
