// A line over time: own SVG, a time axis, the value under the pointer, and a summary in words.

import { h } from "/static/page.js";
import { day, number, t } from "/static/texts.js";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 14, right: 12, bottom: 22, left: 58 };

function s(name, properties, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function ticks(low, high, about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high + step * 1e-9; n++) found.push(n * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// points: [{ at: ISO time, value: number }]; options: digits, area, base (a level to mark)
export function lineChart(points, { title, digits, area = false, base = null }) {
  const values = points.map((point) => point.value);
  const low = Math.min(...values), high = Math.max(...values);
  const text = (value) => number(value, digits);
  const summary = t("chartSummary", day(points[0].at), day(points.at(-1).at), text(values[0]), text(values.at(-1)), text(low), text(high));
  const box = h("div", { class: "chart" });
  const figure = h("div", { class: "body" }, box, h("p", { class: "summary" }, summary));
  new ResizeObserver(() => draw()).observe(box);

  function draw() {
    const width = box.clientWidth, height = box.clientHeight;
    if (!width) return;
    const from = Math.min(low, area ? 0 : low, base ?? low), to = Math.max(high, base ?? high);
    const pad = area ? 0 : (to - from || Math.abs(to) || 1) * 0.08;
    const bottom = from - pad, top = to + (area ? (to - from || 1) * 0.08 : pad);
    const times = points.map((point) => Date.parse(point.at));
    const begin = times[0], end = times.at(-1) > begin ? times.at(-1) : begin + 1;
    const x = (time) => MARGIN.left + ((time - begin) / (end - begin)) * (width - MARGIN.left - MARGIN.right);
    const y = (value) => height - MARGIN.bottom - ((value - bottom) / (top - bottom)) * (height - MARGIN.top - MARGIN.bottom);
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}. ${summary}` });

    const scale = ticks(bottom, top, 4);
    for (const value of scale.found) {
      svg.append(s("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }));
      svg.append(s("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value, scale.digits)));
    }
    const every = Math.max(1, Math.ceil((points.length * 62) / (width - MARGIN.left - MARGIN.right)));
    for (let place = 0; place < points.length; place += every) {
      const last = place + every >= points.length && x(times[place]) > width - 40;
      svg.append(s("text", { x: x(times[place]), y: height - 5, "text-anchor": place === 0 ? "start" : last ? "end" : "middle" }, day(points[place].at).slice(5)));
    }
    if (base !== null) svg.append(s("line", { class: "base", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(base), y2: y(base) }));
    const path = points.map((point, place) => `${place ? "L" : "M"}${x(times[place]).toFixed(1)} ${y(point.value).toFixed(1)}`).join("");
    if (area) svg.append(s("path", { class: "area", d: `${path}L${x(times.at(-1))} ${y(bottom)}L${x(begin)} ${y(bottom)}Z` }));
    svg.append(s("path", { class: "line", d: path }));
    const cross = s("line", { class: "cross", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" });
    const dot = s("circle", { class: "dot", r: 4.5, cx: x(times.at(-1)), cy: y(values.at(-1)) });
    svg.append(cross, dot);
    const tip = h("div", { class: "tip", hidden: true });

    svg.addEventListener("pointermove", (event) => {
      const place = event.clientX - svg.getBoundingClientRect().left;
      let nearest = 0;
      times.forEach((time, n) => { if (Math.abs(x(time) - place) < Math.abs(x(times[nearest]) - place)) nearest = n; });
      const at = x(times[nearest]);
      cross.setAttribute("x1", at); cross.setAttribute("x2", at); cross.setAttribute("visibility", "visible");
      dot.setAttribute("cx", at); dot.setAttribute("cy", y(values[nearest]));
      tip.textContent = `${day(points[nearest].at)}  ${text(values[nearest])}`;
      tip.hidden = false;
      tip.style.left = `${Math.max(0, Math.min(at + 8, width - tip.offsetWidth))}px`;
    });
    svg.addEventListener("pointerleave", () => {
      tip.hidden = true;
      cross.setAttribute("visibility", "hidden");
      dot.setAttribute("cx", x(times.at(-1))); dot.setAttribute("cy", y(values.at(-1)));
    });
    box.replaceChildren(svg, tip);
  }

  return figure;
}
