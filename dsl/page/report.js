"use strict";

// What the run says is data: it becomes text nodes and attributes that are no code, and never markup.
const run = JSON.parse(document.getElementById("run").textContent);
const BAD = ["Failed", "Error"];
const SIGNS = {
  Succeeded: "\u2713", Failed: "\u2717", Error: "\u2717", Retried: "\u21bb", Skipped: "\u2192", Omitted: "\u2013",
};
const SVG = "http://www.w3.org/2000/svg";
const pods = run.pods.map(([fn, name, attempt, state, exit, message, inputs, start, end], place) => (
  {place, fn, name, attempt, state, exit, message, inputs, start, end}
));
const podsOf = run.functions.map(() => []);
for (const pod of pods) podsOf[pod.fn].push(pod);
const byId = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function stateClass(state) {
  return Object.hasOwn(SIGNS, state) ? state : "";
}

function stateLabel(state) {
  const sign = Object.hasOwn(SIGNS, state) ? SIGNS[state] + " " : "";
  return element("span", {class: `state ${stateClass(state)}`}, sign + (state || "unknown"));
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  const [whole, unit, rest, part] = minutes < 60
    ? [minutes, "min", Math.floor(seconds % 60), "s"] : [Math.floor(minutes / 60), "h", minutes % 60, "min"];
  return rest ? `${whole} ${unit} ${rest} ${part}` : `${whole} ${unit}`;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) [count, unit] = [count / 1024, unit + 1];
  return `${unit ? count.toFixed(1) : count} ${units[unit]}`;
}

function taken(pod) {
  return pod.start === null || pod.end === null ? 0 : Math.max(0, pod.end - pod.start);
}

function isTakenOver(pod) {
  return pod.start !== null && pod.start < 0; // it ran before this run was taken up
}

function started(pod) {
  if (!isTakenOver(pod)) return duration(pod.start);
  return `taken over, ran ${new Date(run.began * 1000 + pod.start).toLocaleString()}`;
}

function attempts(list) {
  return list.filter((pod) => pod.attempt); // 0 is what never started
}

function calls(list) {
  return attempts(list).filter((pod) => pod.state !== "Retried"); // there was another attempt
}

// --- header ---

function showHeader() {
  document.title = `${run.dag}: ${run.phase || "at work"}`;
  byId("dag").textContent = run.dag;
  byId("phase").replaceWith(stateLabel(run.phase || "At work"));
  const message = run.phase ? run.message : "This run is still at work, or was killed: " +
    "here are the pods that have ended so far, its graph, and its logs.";
  byId("message").textContent = message;
  byId("message").hidden = !message;
  byId("message").className = stateClass(run.phase);
  const totals = [["run", run.run]];
  if (run.began) {
    totals.push(["started", new Date(run.began * 1000).toLocaleString()]);
    if (run.ended) totals.push(["took", duration((run.ended - run.began) * 1000)]);
  }
  totals.push(["tasks", run.functions.length.toLocaleString("en")]);
  const counts = new Map([["pods", calls(pods).length], ...Object.keys(SIGNS).map((state) => [state, 0])]);
  for (const {state} of pods) counts.set(state, (counts.get(state) || 0) + 1);
  counts.set("taken over (not in the timeline)", pods.filter(isTakenOver).length);
  for (const [word, count] of counts) if (count) totals.push([word.toLowerCase(), count.toLocaleString("en")]);
  totals.push(["files", run.functions.reduce((sum, each) => sum + each.files, 0).toLocaleString("en")]);
  byId("totals").append(...totals.map(([term, value]) => element(
    "div", {}, element("dt", {}, term), element("dd", {}, element("bdi", {}, value)))));
}

// --- graph ---

const [WIDE, HIGH, GAP, SPACE] = [184, 54, 56, 18];

function layersOf(count, edges) {
  // The layer of a function is the longest way to it; what a way comes back to is not followed again.
  const after = Array.from({length: count}, () => []);
  for (const [from, to] of edges) after[from].push(to);
  const order = [], state = new Array(count).fill(0), back = new Set();
  for (let root = 0; root < count; root++) {
    const stack = state[root] ? [] : [[root, 0]];
    if (stack.length) state[root] = 1;
    while (stack.length) {
      const top = stack.at(-1), next = after[top[0]][top[1]++];
      if (next === undefined) {
        state[top[0]] = 2;
        order.push(top[0]);
        stack.pop();
      } else if (state[next] === 1) back.add(`${top[0]} ${next}`);
      else if (!state[next]) {
        state[next] = 1;
        stack.push([next, 0]);
      }
    }
  }
  const layer = new Array(count).fill(0);
  for (const from of order.reverse()) {
    for (const to of after[from]) {
      if (!back.has(`${from} ${to}`)) layer[to] = Math.max(layer[to], layer[from] + 1);
    }
  }
  return layer;
}

function laidOut(count, edges) {
  // Sugiyama: layers, places for long edges to pass, then each place near the middle of its neighbours.
  const layer = layersOf(count, edges);
  const nodes = layer.map((column) => ({column, before: [], after: [], high: HIGH, y: 0}));
  const ways = edges.map(([from, to]) => {
    const way = [nodes[from]];
    for (let column = layer[from] + 1; column < layer[to]; column++) {
      way.push({column, before: [], after: [], high: 12, y: 0});
    }
    way.push(nodes[to]);
    if (layer[to] > layer[from]) {
      for (let step = 1; step < way.length; step++) {
        way[step].before.push(way[step - 1]);
        way[step - 1].after.push(way[step]);
      }
    }
    return way;
  });
  const columns = [];
  for (const node of new Set([...nodes, ...ways.flat()])) (columns[node.column] ||= []).push(node);
  for (let sweep = 0; sweep < 12; sweep++) {
    const down = sweep % 2 === 0;
    for (const column of down ? columns : [...columns].reverse()) {
      for (const node of column) {
        const near = down ? node.before : node.after;
        node.wish = near.length ? near.reduce((sum, other) => sum + other.y, 0) / near.length : node.y;
      }
      column.sort((one, other) => one.wish - other.wish);
      let bottom = -Infinity, drift = 0;
      for (const node of column) {
        node.y = Math.max(node.wish, bottom + node.high / 2);
        bottom = node.y + node.high / 2 + SPACE;
        drift += node.y - node.wish;
      }
      for (const node of column) node.y -= drift / column.length;
    }
  }
  const top = Math.min(...nodes.map((node) => node.y - node.high / 2), ...ways.flat().map((node) => node.y - 6));
  for (const node of new Set([...nodes, ...ways.flat()])) node.y -= top - 2;
  return {nodes, ways, columns: columns.length};
}

function showGraph() {
  const {nodes, ways, columns} = laidOut(run.functions.length, run.edges);
  if (!nodes.length) return byId("graph").append("no task of this run starts a process");
  const x = (node) => node.column * (WIDE + GAP) + 2;
  const lows = [...nodes, ...ways.flat()].map((node) => node.y + node.high / 2);
  const [width, height] = [columns * (WIDE + GAP) - GAP + 4, Math.max(...lows) + 2];
  const svg = drawn("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "group"});
  svg.append(...ways.map((way) => drawn("path", {d: curve(way, x)})));
  svg.append(...ways.map((way) => {
    const end = way.at(-1);
    return drawn("path", {class: "tip", d: `M${x(end) - 8} ${end.y - 4}l8 4l-8 4z`});
  }));
  run.functions.forEach((fn, place) => svg.append(box(fn, place, x(nodes[place]), nodes[place].y - HIGH / 2)));
  byId("graph").append(svg);
  return undefined;
}

function curve(way, x) {
  let d = `M${x(way[0]) + WIDE} ${way[0].y}`;
  way.slice(1).forEach((node, step) => {
    const from = way[step], left = x(from) + WIDE, right = x(node) - (step === way.length - 2 ? 6 : 0);
    const middle = (left + right) / 2;
    d += `C${middle} ${from.y} ${middle} ${node.y} ${right} ${node.y}`;
    if (step < way.length - 2) d += `h${WIDE}`;
  });
  return d;
}

function box(fn, place, x, y) {
  const own = calls(podsOf[place]), bad = own.filter((pod) => BAD.includes(pod.state)).length;
  const count = counted(own.length, "pod");
  const facts = bad ? [`${bad.toLocaleString("en")} of ${count} failed`] : run.phase ? [fn.state, count] :
    own.length ? [`${count} so far`] : [];
  const told = [fn.name, ...facts].join(", ");
  const link = drawn("a", {tabindex: 0, role: "button", class: stateClass(fn.state), "aria-label": told},
    drawn("title", {}, told));
  link.append(
    drawn("rect", {class: "box", x, y, width: WIDE, height: HIGH, rx: 7}),
    drawn("rect", {class: "mark", x: x + 1, y: y + 8, width: 4, height: HIGH - 16, rx: 2}),
    drawn("text", {x: x + 15, y: y + 23}, shortened(fn.name, 18)),
    drawn("text", {class: "facts", x: x + 15, y: y + 42}, shortened(facts.join(" \u00b7 "), 28)),
  );
  const choose = () => choosePods({fn: place});
  link.addEventListener("click", choose);
  link.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); }
  });
  return link;
}

function shortened(text, length) {
  const letters = [...text];
  return letters.length > length ? letters.slice(0, length - 1).join("") + "\u2026" : text;
}

// --- functions ---

function showFunctions() {
  const before = run.functions.map(() => []);
  for (const [from, to] of run.edges) before[to].push(run.functions[from].name);
  const rows = run.functions.map((fn, place) => {
    const own = attempts(podsOf[place]), times = own.map(taken);
    const name = element("button", {class: "plain", type: "button", onclick: () => choosePods({fn: place})}, fn.name);
    const number = (text) => element("td", {class: "number"}, text);
    return element("tr", {},
      element("th", {scope: "row"}, name), element("td", {}, stateLabel(fn.state)),
      element("td", {}, element("bdi", {}, before[place].join(", "))),
      number(calls(own).length.toLocaleString("en")), number(own.length.toLocaleString("en")),
      number(own.length ? duration(times.reduce((sum, each) => sum + each, 0)) : ""),
      number(own.length ? duration(times.reduce((most, each) => Math.max(most, each), 0)) : ""),
      number(fn.files.toLocaleString("en")), number(fn.files ? bytes(fn.bytes) : ""),
      element("td", {class: "text"}, fn.value));
  });
  byId("functions").tBodies[0].append(...rows);
}

// --- timeline ---

const timed = attempts(pods).filter((pod) => pod.start !== null && pod.end !== null && !isTakenOver(pod));
const END = Math.max(1, timed.reduce((most, pod) => Math.max(most, pod.end), (run.ended - run.began) * 1000 || 0));
const view = {from: 0, to: END};
const lanes = []; // of each function that has a row: {svg, row, own, high}

function packed(own) {
  // Bars that overlap in time lie in different lanes; as many lanes as ran at once.
  const ends = [];
  own.sort((one, other) => one.start - other.start || one.end - other.end);
  for (const pod of own) {
    let lane = ends.findIndex((end) => end <= pod.start);
    if (lane < 0) lane = ends.length;
    ends[lane] = Math.max(pod.end, pod.start + 1);
    pod.lane = lane;
  }
  return ends.length;
}

function showTimeline() {
  byId("times").hidden = !timed.length;
  const grid = byId("timeline");
  grid.append(element("div", {class: "label corner"}), element("div", {class: "row axis", id: "axis"}));
  run.functions.forEach((fn, place) => {
    const own = timed.filter((pod) => pod.fn === place);
    if (!own.length) return;
    const count = packed(own), high = count <= 6 ? 12 : count <= 24 ? 6 : Math.max(1, 180 / count);
    const last = own.reduce((most, pod) => Math.max(most, pod.end), 0);
    const svg = drawn("svg", {
      viewBox: `0 0 1000 ${count * high}`, height: count * high, preserveAspectRatio: "none", role: "img",
      "aria-label": `${fn.name}: ${counted(own.length, "attempt")} between ${duration(own[0].start)} and ${duration(last)}`,
    });
    const row = element("div", {class: "row"}, svg);
    grid.append(element("div", {class: "label"}, element("bdi", {class: "name"}, fn.name)), row);
    const lane = {svg, row, own, high};
    lanes.push(lane);
    listen(lane);
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom(button.dataset.zoom));
  }
  drawTimeline();
}

function zoom(how) {
  const wide = view.to - view.from, middle = (view.from + view.to) / 2;
  if (how === "in") look(middle - wide / 4, middle + wide / 4);
  else if (how === "out") look(middle - wide, middle + wide);
  else if (how === "left") look(view.from - wide / 2, view.to - wide / 2);
  else if (how === "right") look(view.from + wide / 2, view.to + wide / 2);
  else look(0, END);
}

function look(from, to) {
  const wide = Math.min(Math.max(to - from, 1), END);
  view.from = Math.min(Math.max(0, from), END - wide);
  view.to = view.from + wide;
  drawTimeline();
}

function drawTimeline() {
  const scale = 1000 / (view.to - view.from);
  for (const {svg, own, high} of lanes) {
    const shapes = new Map();
    const thick = high > 2 ? high - 1 : high;
    for (const pod of own) {
      if (pod.end < view.from || pod.start > view.to) continue;
      const left = Math.max(-1, (pod.start - view.from) * scale);
      const least = BAD.includes(pod.state) ? 2 : 1; // also among thousands it is seen
      const wide = Math.max(least, Math.min(1001, (pod.end - view.from) * scale) - left);
      const kind = stateClass(pod.state);
      const shape = `M${left.toFixed(1)} ${(pod.lane * high).toFixed(1)}h${wide.toFixed(1)}v${thick}h-${wide.toFixed(1)}z`;
      if (shapes.has(kind)) shapes.get(kind).push(shape);
      else shapes.set(kind, [shape]);
    }
    const kinds = [...shapes.keys()].sort((one, other) => BAD.includes(one) - BAD.includes(other));
    svg.replaceChildren(...kinds.map((kind) => drawn("path", {class: kind, d: shapes.get(kind).join("")})));
  }
  const wide = view.to - view.from, step = niceStep(wide / 6), marks = [];
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    const mark = element("span", {}, at ? duration(at) : "0");
    mark.style.left = `${(100 * (at - view.from)) / wide}%`;
    if (at - view.from < wide * 0.96) marks.push(mark);
  }
  byId("axis").replaceChildren(...marks);
}

function niceStep(least) {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5];
  return steps.find((step) => step >= least) || Math.ceil(least / 36e5) * 36e5;
}

function listen(lane) {
  const {row, svg} = lane;
  const at = (event) => {
    const place = svg.getBoundingClientRect();
    return [
      view.from + ((event.clientX - place.left) / place.width) * (view.to - view.from),
      Math.floor((event.clientY - place.top) / lane.high),
    ];
  };
  const under = (event) => {
    const [time, number] = at(event), slack = (view.to - view.from) / 500;
    const near = lane.own.filter((pod) => pod.lane === number && pod.start - slack <= time && time <= pod.end + slack);
    return near.find((pod) => pod.start <= time && time <= pod.end) || near[0];
  };
  let brush = null, origin = 0;
  row.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    row.setPointerCapture(event.pointerId);
    origin = event.clientX;
    brush = element("div", {class: "brush"});
    row.append(brush);
  });
  row.addEventListener("pointermove", (event) => {
    if (!brush) return tip(event, under(event));
    const left = row.getBoundingClientRect().left;
    brush.style.left = `${Math.min(origin, event.clientX) - left}px`;
    brush.style.width = `${Math.abs(event.clientX - origin)}px`;
    return tip(event);
  });
  row.addEventListener("pointerup", (event) => {
    if (!brush) return;
    brush.remove();
    brush = null;
    const ends = [at({clientX: origin, clientY: 0})[0], at(event)[0]].sort((one, other) => one - other);
    const found = under(event);
    if (Math.abs(event.clientX - origin) > 4) look(...ends);
    else if (found) choosePods({fn: found.fn, text: found.name});
  });
  row.addEventListener("pointercancel", () => { brush?.remove(); brush = null; });
  row.addEventListener("pointerleave", (event) => tip(event));
}

function tip(event, pod) {
  const box = byId("tip");
  box.hidden = !pod;
  if (!pod) return;
  const again = pod.attempt > 1 ? `, attempt ${pod.attempt}` : "";
  const lines = [pod.name, `${pod.state}${again} after ${duration(taken(pod))}`, pod.inputs];
  box.textContent = lines.filter(Boolean).join("\n");
  const {width, height} = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  box.style.top = `${Math.max(4, Math.min(event.clientY + 16, innerHeight - height - 8))}px`;
}

// --- logs ---

function showLogs() {
  const places = Object.keys(run.logs).map(Number), failed = pods.filter((pod) => BAD.includes(pod.state));
  const section = byId("failures");
  section.hidden = !failed.length;
  const left = failed.length - places.length;
  section.querySelector("p").textContent = counted(failed.length, "pod") + " failed" +
    (left ? `; the last lines of the first ${places.length.toLocaleString("en")} follow` : "");
  places.forEach((place, number) => {
    const pod = pods[place], lines = run.logs[place];
    const said = element("summary", {}, stateLabel(pod.state), " ", element("bdi", {class: "name"}, pod.name));
    if (pod.attempt > 1) said.append(` after ${pod.attempt} attempts`);
    if (pod.message) said.append(": ", element("bdi", {}, pod.message));
    const details = element("details", number < 3 ? {open: ""} : {}, said);
    if (pod.inputs) details.append(element("p", {class: "hint"}, element("bdi", {class: "name"}, pod.inputs)));
    const none = pod.attempt ? "it wrote nothing" : "it never started";
    details.append(lines ? endOf(details, lines) : element("p", {class: "hint"}, none));
    section.append(details);
  });
  for (const [name, lines] of Object.entries(run.notes)) {
    const details = element("details", {}, element("summary", {}, element("bdi", {class: "name"}, name)));
    details.append(endOf(details, lines));
    byId("notes").append(details);
    byId("notes").hidden = false;
  }
}

function endOf(details, lines) {
  const log = element("pre", {tabindex: 0}, lines);
  details.addEventListener("toggle", () => { log.scrollTop = log.scrollHeight; });
  return log;
}

// --- pods ---

const COLUMNS = [
  // title, class, what sorts it, what is shown where that is something else
  ["pod", "name", (pod) => pod.name],
  ["task", "", (pod) => run.functions[pod.fn].name],
  ["attempt", "number", (pod) => pod.attempt, (pod) => pod.attempt || ""],
  ["state", "", (pod) => pod.state, (pod) => stateLabel(pod.state)],
  ["start", "number", (pod) => pod.start ?? Infinity, started],
  ["took", "number", taken, (pod) => (pod.start === null ? "" : duration(taken(pod)))],
  ["exit code", "number", (pod) => (pod.exit === "" ? -1 : Number(pod.exit)), (pod) => pod.exit],
  ["message", "", (pod) => pod.message],
  ["inputs", "text", (pod) => pod.inputs],
];
const PAGE = 100;
const table = {column: 4, rising: true, shown: PAGE, found: []};
const inOrder = new Intl.Collator(undefined, {numeric: true}).compare;

function showPods() {
  const states = [...new Set(pods.map((pod) => pod.state))].sort();
  byId("state").append(...states.map((state) => element("option", {value: state}, state)));
  byId("function").append(...run.functions.map((fn, place) => element("option", {value: place}, fn.name)));
  byId("rows").tHead.rows[0].append(...COLUMNS.map(([title, kind], number) => element("th", {scope: "col", class: kind},
    element("button", {class: "plain", type: "button", onclick: () => sortBy(number)}, title))));
  for (const id of ["state", "function", "text"]) byId(id).addEventListener("input", findPods);
  const form = document.querySelector("form");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(findPods));
  byId("more").addEventListener("click", () => {
    const first = table.shown;
    table.shown += 5 * PAGE;
    drawRows();
    byId("rows").tBodies[0].rows[first]?.scrollIntoView({block: "center"});
  });
  byId("pods").hidden = !pods.length;
  findPods();
}

function choosePods({fn, text = ""}) {
  byId("state").value = "";
  byId("function").value = fn;
  byId("text").value = text;
  findPods();
  byId("pods").scrollIntoView();
  byId("text").focus({preventScroll: true});
}

function sortBy(number) {
  table.rising = table.column === number ? !table.rising : true;
  table.column = number;
  findPods();
}

function findPods() {
  const [state, fn, text] = ["state", "function", "text"].map((id) => byId(id).value);
  const sought = text.toLowerCase();
  const holds = (pod) => (!state || pod.state === state) && (!fn || pod.fn === Number(fn)) && (!sought ||
    [pod.name, pod.message, pod.inputs].some((each) => each.toLowerCase().includes(sought)));
  const key = COLUMNS[table.column][2], sign = table.rising ? 1 : -1;
  const compare = (one, other) => (typeof one === "number" ? Math.sign(one - other) || 0 : inOrder(one, other));
  table.found = pods.filter(holds).map((pod) => [key(pod), pod])
    .sort((one, other) => sign * compare(one[0], other[0]) || one[1].place - other[1].place).map(([, pod]) => pod);
  table.shown = PAGE;
  drawRows();
}

function drawRows() {
  const shown = table.found.slice(0, table.shown);
  byId("rows").tBodies[0].replaceChildren(...shown.map((pod) => element("tr", {},
    ...COLUMNS.map(([, kind, key, cell = key]) => element("td", {class: kind}, cell(pod))))));
  [...byId("rows").tHead.rows[0].cells].forEach((cell, number) => {
    if (number === table.column) cell.setAttribute("aria-sort", table.rising ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  });
  const all = table.found.length === pods.length ? "" : ` of ${pods.length.toLocaleString("en")}`;
  const part = shown.length < table.found.length ? `, ${shown.length.toLocaleString("en")} shown` : "";
  byId("count").textContent = `${table.found.length.toLocaleString("en")}${all} rows${part}`;
  byId("more").hidden = shown.length === table.found.length;
}

showHeader();
showGraph();
showFunctions();
showTimeline();
showLogs();
showPods();
