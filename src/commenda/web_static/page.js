// Small pieces that every part of the page is made of.

import { number, t, time } from "/static/texts.js";

// An element: h("p", { class: "note" }, "text", child). Properties that begin with "on" listen.
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const empty = (text) => h("p", { class: "empty" }, text);

export const when = (iso) => h("time", { datetime: iso ?? "" }, time(iso));

// A gain or loss: arrow, sign and colour, so that none of them is needed alone.
export function change(fraction) {
  if (fraction === null || fraction === undefined) return t("nothing");
  const value = Number(fraction) * 100;
  const shown = number(Math.abs(value), 2);
  if (Number(Math.abs(value).toFixed(2)) === 0) return h("span", { class: "change" }, `${shown}%`);
  const up = value > 0;
  return h("span", { class: `change ${up ? "up" : "down"}` }, `${up ? "▲ +" : "▼ −"}${shown}%`);
}

export function signed(value, digits = 2) {
  const amount = Number(value);
  if (!amount) return number(0, digits);
  return h("span", { class: amount > 0 ? "up" : "down" }, `${amount > 0 ? "+" : "−"}${number(Math.abs(amount), digits)}`);
}

// columns: [heading, cell of a row, class]
export function table(columns, rows, marked = () => false) {
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map(([heading, , kind]) => h("th", { class: kind, scope: "col" }, heading)))),
    h("tbody", {}, rows.map((row) => h("tr", { class: marked(row) && "new" },
      columns.map(([, cell, kind]) => h("td", { class: kind }, cell(row) ?? t("nothing"))))))));
}

export function card(title, note, ...body) {
  return h("section", { class: "card" }, h("header", {}, h("h2", {}, title), h("span", { class: "asof" }, note)), ...body);
}

export const short = (id) => h("span", { class: "id", title: id }, id.slice(0, 8));
