// Two small charts, drawn as SVG: what a place was to expect, and a difference with its interval.  Both carry a legend.

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

function sheet(width, height, title) {
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  svg.append(draw("title", {}, title));
  return svg;
}

/** Marks and their words in rows: [[how to draw the mark at x, y], word], …. */
function legend(svg, top, entries) {
  let [x, y] = [28, top];
  for (const [mark, word] of entries) {
    const width = 30 + [...word].reduce((sum, letter) => sum + (letter > "\u2e80" ? 12 : 6), 0);
    if (x + width > 600) [x, y] = [28, y + 17];
    svg.append(mark(x, y - 4), draw("text", { x: x + 10, y }, word));
    x += width;
  }
}

/** Months before, the month of the task, and the month after: band, mean and, once it came, what came. */
export function expectation(task, say) {
  const { frozen, effect } = task;
  const past = frozen.counts.map((count, i) => [frozen.months[i], count]);
  const now = [task.month, effect ? effect.before : frozen.so_far];
  const highest = Math.max(4, frozen.high, now[1], effect ? effect.observed : 0, ...frozen.counts);
  const [ground, step] = [120, 560 / (past.length + 2)];
  const at = (count) => ground - (count / highest) * 96;
  const middle = (i) => 32 + (i + 0.5) * step;
  const svg = sheet(600, 182, say("task.chart"));
  for (const tick of [0, Math.round(highest / 2), highest]) {
    svg.append(draw("line", { class: "ground", x1: 28, x2: 596, y1: at(tick), y2: at(tick) }));
    svg.append(draw("text", { x: 22, y: at(tick) + 4, "text-anchor": "end" }, tick));
  }
  [...past, now].forEach(([month, count], i) => {
    const bar = { x: middle(i) - step * 0.3, y: at(count), width: step * 0.6, height: ground - at(count) };
    svg.append(draw("rect", { class: i < past.length ? "past" : "opened", ...bar }));
    svg.append(draw("text", { x: middle(i), y: 134, "text-anchor": "middle" }, month.slice(5)));
  });
  const x = middle(past.length + 1);
  svg.append(draw("line", { class: "band", x1: x, x2: x, y1: at(frozen.low), y2: at(frozen.high) }));
  svg.append(draw("circle", { class: "mean", cx: x, cy: at(frozen.mean), r: 4 }));
  if (effect) svg.append(draw("circle", { class: "came", cx: x, cy: at(effect.observed), r: 6 }));
  svg.append(draw("text", { x, y: 134, "text-anchor": "middle" }, frozen.month.slice(5)));
  legend(svg, 158, [
    [(a, b) => draw("rect", { class: "past", x: a - 4, y: b - 4, width: 9, height: 9 }), say("task.past")],
    [(a, b) => draw("rect", { class: "opened", x: a - 4, y: b - 4, width: 9, height: 9 }), say("task.this_month")],
    [(a, b) => draw("line", { class: "band", x1: a, x2: a, y1: b - 3, y2: b + 3 }), say("task.band")],
    [(a, b) => draw("circle", { class: "mean", cx: a, cy: b, r: 4 }), say("task.mean")],
    ...(effect ? [[(a, b) => draw("circle", { class: "came", cx: a, cy: b, r: 5 }), say("task.came")]] : []),
  ]);
  return svg;
}

/** A difference with its interval on a line with its zero. */
export function difference(found, say) {
  const reach = Math.max(1, Math.abs(found.difference_low), Math.abs(found.difference_high)) * 1.1;
  const at = (value) => 300 + (value / reach) * 260;
  const svg = sheet(600, 66, say("task_effect.difference"));
  svg.append(draw("line", { class: "ground", x1: 30, x2: 570, y1: 22, y2: 22 }));
  svg.append(draw("line", { class: "zero", x1: at(0), x2: at(0), y1: 6, y2: 36 }));
  svg.append(draw("line", { class: "band", x1: at(found.difference_low), x2: at(found.difference_high), y1: 22, y2: 22 }));
  svg.append(draw("circle", { class: "mean", cx: at(found.difference), cy: 22, r: 5 }));
  legend(svg, 58, [
    [(a, b) => draw("circle", { class: "mean", cx: a, cy: b, r: 4 }), say("task_effect.interval")],
    [(a, b) => draw("line", { class: "zero", x1: a, x2: a, y1: b - 6, y2: b + 6 }), say("task_effect.zero")],
  ]);
  return svg;
}
