"use strict";
// The page of one run. Everything shown is text put into text nodes; nothing is parsed as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [T, LANE, CLASS, KIND, LABEL, WORDS, FIELDS] = [0, 1, 2, 3, 4, 5, 6];
  const STAGES = ["written", "sent", "received", "read"];
  const ROW = 24;
  const records = data.records;
  const threads = data.threads.length ? data.threads : null;
  const before = 58 + 92 + 3 + (threads ? 72 : 0); // what stands left of the lanes
  const $ = (id) => document.getElementById(id);
  const room = ($("trace").clientWidth - before - 340) / Math.max(1, data.lanes.length);
  const laneWidth = Math.max(64, Math.min(106, Math.floor(room)));
  const broken = data.violations;
  const badRecords = new Set(broken.map((each) => each.record));

  let now = 0;
  let shown = []; // numbers of the records that the filters let through
  let rowOf = new Int32Array(records.length).fill(-1);
  let way = []; // records that the same bytes went through
  let wayName = "";
  let pinned = null; // a way that an explanation gave
  const hidden = new Set();

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") element.addEventListener("click", value);
      else if (name === "class") element.className = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }
  function drawn(tag, attributes, text = null) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== null) element.textContent = text;
    return element;
  }
  const milliseconds = (t) => (t / 1e6).toFixed(6);
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
  const toRecord = (number, text) => make("button", { type: "button", onclick: () => go(number) }, text);

  // Bytes: by pipe, the counts of each stage after each move.
  const byPipe = data.pipes.map(() => []);
  const movesOf = new Map();
  for (const move of data.moves) {
    byPipe[move[1]].push(move);
    movesOf.set(move[0], [...(movesOf.get(move[0]) || []), move]);
  }
  function countsAt(pipe, record) {
    const counts = [0, 0, 0, 0];
    for (const [at, , stage, , end] of byPipe[pipe]) {
      if (at > record) break;
      if (stage < 4) counts[stage] = end;
    }
    return counts;
  }
  function stateAt(flow, record) {
    let state = "";
    for (const [at, of, text] of data.states) {
      if (at > record) break;
      if (of === flow) state = text;
    }
    return state;
  }
  // A layer changes bytes: then those of the application and those of the kernel have no common count.
  const level = (stage) => (data.plain_pipes ? 0 : stage === 1 || stage === 2 ? 1 : 0);
  function wayOf(record) {
    const found = new Map(); // record -> the first stage that it took these bytes past
    let name = "";
    for (const [, pipe, stage, start, end] of movesOf.get(record) || []) {
      if (end <= start) continue;
      const { source, target } = data.pipes[pipe];
      name = `${source} to ${target}, bytes ${start} to ${end}`;
      for (const [at, , other, from, to] of byPipe[pipe]) {
        const order = [0, 1, 2, 4, 3][other]; // told of them before it reads them
        if (from < end && to > start && level(other) === level(stage)) found.set(at, Math.min(order, found.get(at) ?? 9));
      }
    }
    return [[...found.keys()].sort((a, b) => found.get(a) - found.get(b) || a - b), name];
  }

  // The heading.
  for (const [name, value] of data.about) {
    $("about").append(make("li", {}, `${name} `, make("b", {}, value)));
  }
  const promises = new Map(data.properties.map(([id, statement]) => [id, statement]));
  if (broken.length) $("promise").textContent = promises.get(broken[0].property) || "";
  for (const each of broken) {
    const at = each.record < 0 ? "the whole run" : toRecord(each.record, `record ${each.record}`);
    $("broken").append(make("div", { class: "broken" }, make("b", {}, each.property), make("span", {}, each.message), at));
  }

  // The list of records: only the rows in view exist.
  document.documentElement.style.setProperty("--lane", `${laneWidth}px`);
  function laneHeads() {
    const head = $("head");
    const width = (pixels) => { const cell = make("div"); cell.style.width = `${pixels}px`; return cell; };
    head.append(width(before));
    data.lanes.forEach((lane) => {
      const cell = width(laneWidth);
      cell.append(make("b", {}, lane.name), make("span", {}, lane.layer || " "));
      if (lane.group) cell.title = lane.group;
      head.append(cell);
    });
    const words = make("div");
    words.textContent = "what happened";
    words.style.paddingLeft = "14px";
    head.append(words);
    $("trace").style.setProperty("--least", `${before + data.lanes.length * laneWidth + 340}px`);
  }
  function rowAt(position) {
    const number = shown[position];
    const record = records[number];
    const row = make("div", { class: "row", role: "option", id: `record-${number}`, "aria-setsize": shown.length, "aria-posinset": position + 1 });
    row.style.top = `${position * ROW}px`;
    row.dataset.record = number;
    if (number === now) { row.classList.add("now"); row.setAttribute("aria-selected", "true"); }
    if (badRecords.has(number)) row.classList.add("bad");
    if (way.includes(number)) row.classList.add("way");
    const same = position > 0 && records[shown[position - 1]][T] === record[T];
    row.append(make("span", { class: "number" }, String(number)));
    row.append(make("span", { class: same ? "time same" : "time" }, milliseconds(record[T])));
    if (threads) row.append(make("span", { class: "whose" }, threads[0][threads[1][number]]));
    data.lanes.forEach((lane, index) => {
      const gap = index > 0 && lane.group !== data.lanes[index - 1].group ? " gap" : "";
      const cell = make("span", { class: `lane${gap}` });
      if (index === record[LANE]) cell.append(make("span", { class: `chip ${data.classes[record[CLASS]]}` }, record[LABEL]));
      row.append(cell);
    });
    row.append(make("span", { class: "words" }, ...marked(record[WORDS])));
    return row;
  }
  function marked(text) {
    const wanted = $("search").value.trim().toLowerCase();
    const at = wanted ? text.toLowerCase().indexOf(wanted) : -1;
    if (at < 0) return [text];
    return [text.slice(0, at), make("mark", {}, text.slice(at, at + wanted.length)), text.slice(at + wanted.length)];
  }
  function drawList() {
    const list = $("list");
    const first = clamp(Math.floor(list.scrollTop / ROW) - 6, 0, shown.length);
    const last = clamp(Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 6, 0, shown.length);
    const rows = [];
    for (let position = first; position < last; position += 1) rows.push(rowAt(position));
    $("rows").replaceChildren(...rows);
    drawWay(list.scrollTop, list.clientHeight);
    list.setAttribute("aria-activedescendant", `record-${now}`);
  }
  function drawWay(top, height) {
    const svg = $("way");
    svg.style.top = `${top}px`;
    svg.style.height = `${height}px`;
    const points = way.filter((number) => rowOf[number] >= 0).map((number) => [
      before + (records[number][LANE] + 0.5) * laneWidth,
      clamp(rowOf[number] * ROW + ROW / 2 - top, -40, height + 40),
    ]);
    const line = points.map((point) => point.join(",")).join(" ");
    const dots = points.map(([x, y]) => drawn("circle", { cx: x - laneWidth / 2 + 4, cy: y, r: 3 }));
    const lines = points.length > 1 ? [drawn("polyline", { points: line.replace(/([\d.]+),/g, (_, x) => `${x - laneWidth / 2 + 4},`) })] : [];
    svg.replaceChildren(...lines, ...dots);
  }
  function scrollTo(position) {
    const list = $("list");
    const top = position * ROW;
    if (top < list.scrollTop + 2 * ROW) list.scrollTop = top - 4 * ROW;
    else if (top > list.scrollTop + list.clientHeight - 3 * ROW) list.scrollTop = top - list.clientHeight + 5 * ROW;
  }
  function nearest(number) {
    let low = 0;
    let high = shown.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (shown[middle] <= number) low = middle; else high = middle - 1;
    }
    return low;
  }
  function filter() {
    const wanted = $("search").value.trim().toLowerCase();
    shown = [];
    rowOf.fill(-1);
    records.forEach((record, number) => {
      const kind = data.kinds[record[KIND]][0];
      const found = !wanted || `${number} ${kind} ${record[WORDS]}`.toLowerCase().includes(wanted);
      if (found && !hidden.has(record[CLASS])) { rowOf[number] = shown.length; shown.push(number); }
    });
    $("shown").textContent = shown.length === records.length ? count(records.length, "record") : `${shown.length} of ${count(records.length, "record")}`;
    $("space").style.height = `${shown.length * ROW}px`;
    scrollTo(nearest(now));
    drawList();
  }

  // The whole run at once.
  let base = null;
  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(); }
  function drawOverview() {
    const canvas = $("overview");
    const [width, height] = [canvas.clientWidth, 64];
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const paint = canvas.getContext("2d");
    paint.scale(scale, scale);
    const colours = data.classes.map((name) => colour(name));
    const x = (number) => (records.length > 1 ? (number / (records.length - 1)) * (width - 8) + 4 : width / 2);
    const high = (height - 6) / Math.max(1, data.lanes.length);
    paint.strokeStyle = colour("line");
    data.lanes.forEach((_, lane) => {
      const y = 3 + (lane + 0.5) * high;
      paint.beginPath(); paint.moveTo(0, y); paint.lineTo(width, y); paint.stroke();
    });
    const wide = Math.max(1, Math.min(6, (width - 8) / records.length - 1));
    records.forEach((record, number) => {
      paint.fillStyle = colours[record[CLASS]];
      paint.fillRect(x(number) - wide / 2, 3 + record[LANE] * high + 1, wide, Math.max(1, high - 2));
    });
    paint.fillStyle = colour("bad");
    for (const number of badRecords) if (number >= 0) paint.fillRect(x(number) - 1, 0, 2.5, height);
    paint.fillStyle = colour("accent");
    paint.globalAlpha = 0.8;
    for (const number of way) paint.fillRect(x(number) - 1, height - 4, 2, 4);
    paint.globalAlpha = 0.25;
    paint.fillRect(x(now) - 5, 0, 10, height);
    paint.globalAlpha = 1;
    paint.fillRect(x(now) - 0.5, 0, 1.5, height);
    base = { width };
  }

  // One record.
  function drawNow() {
    const record = records[now];
    const [kind, ...names] = data.kinds[record[KIND]];
    const list = make("dl");
    names.forEach((name, index) => list.append(make("dt", {}, name), make("dd", {}, record[FIELDS][index])));
    const lane = data.lanes[record[LANE]];
    const verdicts = broken.filter((each) => each.record === now).map((each) => make("div", { class: "broken" }, make("b", {}, each.property), make("span", {}, each.message)));
    $("now").replaceChildren(
      make("h2", {}, `Record ${now}: ${kind}`),
      make("div", {}, record[WORDS]),
      make("div", { class: "dim" }, `${milliseconds(record[T])} ms, ${lane.name} ${lane.layer}`),
      ...verdicts, list,
    );
  }
  function drawPipes() {
    const parts = data.pipes.map((pipe, index) => {
      const counts = countsAt(index, now);
      if (!byPipe[index].length) return null;
      const [written, sent, received, read] = counts;
      const waits = data.plain_pipes
        ? [["output", written - sent, "in the output"], ["flight", sent - received, "in flight"], ["input", received - read, "in the input"], ["done", read, "read"]]
        : [["flight", sent - received, "in flight"], ["done", received, "received"]];
      const tube = make("div", { class: "tube" });
      const total = Math.max(1, ...byPipe[index].map((move) => move[4]));
      for (const [name, bytes] of waits) {
        const part = make("i", { class: name });
        part.style.width = `${(100 * Math.max(0, bytes)) / total}%`;
        tube.append(part);
      }
      const told = waits.map(([, bytes, name]) => make("span", {}, make("b", {}, String(Math.max(0, bytes))), ` ${name}`));
      const totals = make("div", { class: "counts" }, ...STAGES.map((name, stage) => make("span", {}, make("b", {}, String(counts[stage])), ` ${name}`)));
      const heading = make("div", {}, make("span", {}, `${pipe.source} \u2192 ${pipe.target}`), make("span", { class: "state" }, stateAt(pipe.flow, now)));
      return make("div", { class: "pipe" }, heading, tube, make("div", { class: "counts" }, ...told), ...(data.plain_pipes ? [] : [totals]));
    });
    const some = parts.filter((part) => part !== null);
    $("pipes").replaceChildren(make("h2", {}, "Bytes after this record"), ...(some.length ? some : [make("div", { class: "dim" }, "no byte moves in this run")]));
  }
  function drawRelated() {
    $("related").hidden = way.length === 0;
    const steps = way.map((number) => make("li", {}, toRecord(number, `${number}  ${milliseconds(records[number][T])}  ${records[number][WORDS]}`)));
    const unpin = pinned ? [make("button", { type: "button", onclick: () => { pinned = null; go(now); } }, "let go")] : [];
    $("related").replaceChildren(make("h2", {}, "The way of these bytes"), make("div", { class: "dim" }, wayName), ...unpin, make("ol", { class: "steps-of" }, ...steps));
  }
  function go(number, scroll = true) {
    if (!records.length) return;
    now = clamp(Math.trunc(number), 0, records.length - 1);
    [way, wayName] = pinned || wayOf(now);
    $("slider").value = now;
    $("slider").setAttribute("aria-valuetext", `record ${now}: ${records[now][WORDS]}`);
    $("where").textContent = `record ${now} of ${records.length - 1}, ${milliseconds(records[now][T])} ms`;
    if (scroll && shown.length) scrollTo(nearest(now));
    drawList(); drawNow(); drawPipes(); drawRelated(); drawOverview();
    for (const row of document.querySelectorAll("tr[data-record]")) row.classList.toggle("now", Number(row.dataset.record) === now);
    try { history.replaceState(null, "", `#${now}`); } catch { /* a page without an address of its own */ }
  }
  function step(by) {
    const at = nearest(now);
    go(shown.length ? shown[clamp(shown[at] === now || by > 0 ? at + by : at, 0, shown.length - 1)] : now);
  }
  function callback(by) {
    for (let number = now + by; number >= 0 && number < records.length; number += by) {
      if (data.kinds[records[number][KIND]][0] === "cb") { go(number); return; }
    }
  }
  const breaks = () => {
    const first = broken.find((each) => each.record >= 0);
    return first ? first.record : records.length - 1;
  };

  // What an explanation says.
  function explain(explained) {
    const parts = [make("h2", {}, "Why it broke"), make("p", { class: "verdict" }, explained.verdict)];
    const said = explained.story.join("\n") === data.story.join("\n"); // it stands below
    if (explained.story.length && !said) parts.push(make("pre", {}, explained.story.join("\n")));
    const difference = explained.first_difference;
    if (difference) {
      const side = (name, kind, one) => make("div", { class: kind }, make("b", {}, name), " ", make("code", {}, one.text), ...(kind === "fails" ? [toRecord(one.record, `record ${one.record}`)] : [make("span", { class: "dim" }, ` record ${one.record} there`)]));
      parts.push(make("h3", {}, `First difference, with ${difference.change}`), make("div", { class: "differs" }, side("fails", "fails", difference.failing), side("passes", "passes", difference.passing)));
    }
    const section = make("section", {}, ...parts);
    const two = make("div", { class: "two" });
    if (explained.decisions.length) two.append(decisions(explained.decisions));
    if (explained.curve.length) two.append(curve(explained));
    if (explained.bytes.length) section.append(make("h3", {}, "Bytes that it is about"), ...explained.bytes.map(bytes));
    section.append(two);
    $("explanation").append(section);
  }
  function decisions(rows) {
    const body = make("tbody");
    for (const each of rows) {
      const row = make("tr", { "data-record": each.record, class: each.still_fails ? "" : "matters" });
      row.append(
        make("td", { class: "code" }, String(each.index)),
        make("td", {}, toRecord(each.record, each.name)),
        make("td", { class: "code" }, `${each.value}, instead ${each.instead}`),
        make("td", {}, each.still_fails ? "fails all the same" : "then it does not fail"),
        make("td", { class: "code" }, String(each.record)),
      );
      body.append(row);
    }
    const head = make("tr", {}, ...["#", "decision", "value", "the other way", "record"].map((name) => make("th", {}, name)));
    return make("div", {}, make("h3", {}, "Decisions"), make("div", { class: "scroll" }, make("table", { id: "decisions" }, make("thead", {}, head), body)));
  }
  function curve(explained) {
    const points = explained.curve;
    const [wide, high, left, low] = [640, 180, 36, 24];
    const last = Math.max(1, ...points.map((each) => each.decision));
    const x = (decision) => left + (decision / last) * (wide - left - 12);
    const y = (each) => high - low - (each.of > 0 ? each.failed / each.of : 0) * (high - low - 12);
    const svg = drawn("svg", { id: "curve", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": "how often runs with the same beginning fail" });
    for (const part of [0, 0.5, 1]) {
      const at = high - low - part * (high - low - 12);
      svg.append(drawn("line", { x1: left, x2: wide - 12, y1: at, y2: at, class: "axis" }), drawn("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, `${100 * part}%`));
    }
    svg.append(drawn("polyline", { class: "step", points: points.map((each) => `${x(each.decision)},${y(each)}`).join(" ") }));
    if (explained.certain_at) {
      const at = x(explained.certain_at.decision);
      svg.append(drawn("line", { x1: at, x2: at, y1: 8, y2: high - low, class: "certain" }), drawn("text", { x: at + 4, y: high - low - 6 }, `certain from decision ${explained.certain_at.decision}`));
    }
    for (const each of points) {
      const dot = drawn("circle", { cx: x(each.decision), cy: y(each), r: 4 });
      dot.append(drawn("title", {}, `decision ${each.decision}, record ${each.record}: ${each.failed} of ${each.of} fail`));
      dot.addEventListener("click", () => go(each.record));
      svg.append(dot);
    }
    svg.append(drawn("text", { x: wide - 12, y: high - 6, "text-anchor": "end" }, "decisions kept"));
    return make("div", {}, make("h3", {}, "How sure the failure is, the further the run has come"), svg);
  }
  function bytes(each) {
    const name = `connection ${each.connection}, ${each.direction}, bytes ${each.start} to ${each.end}`;
    const pin = () => { pinned = [each.way.map((one) => one.record).filter((record) => record in records), name]; go(pinned[0].length ? pinned[0][0] : now); };
    const steps = each.way.map((one) => make("li", {}, toRecord(one.record, `${one.record}  ${milliseconds(one.time_ns)}  ${one.what}`)));
    return make("details", { open: "" }, make("summary", {}, name), make("button", { type: "button", class: "pin", onclick: pin }, "show in the trace"), make("ol", { class: "steps-of" }, ...steps));
  }

  // What else there is to know.
  function properties() {
    const names = new Set(broken.map((each) => each.property));
    const rank = ([id, , , times]) => (names.has(id) ? 0 : times ? 1 : 2);
    const body = make("tbody");
    for (const [id, statement, source, times] of [...data.properties].sort((a, b) => rank(a) - rank(b))) {
      const verdict = names.has(id) ? make("b", { class: "chip bad" }, "broke") : times ? make("span", { class: "kept" }, "kept") : make("span", { class: "dim" }, "not applicable");
      body.append(make("tr", {}, make("td", { class: "code" }, id), make("td", {}, verdict), make("td", { class: "code" }, times ? String(times) : ""), make("td", { title: source }, statement)));
    }
    const head = make("tr", {}, ...["property", "verdict", "times judged", "promise"].map((name) => make("th", {}, name)));
    return make("section", { id: "properties" }, make("h2", {}, "Properties"), make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), body)));
  }
  function drawMore() {
    $("told").hidden = data.story.length === 0;
    if (data.explanation) explain(data.explanation);
    if (data.violations.length || data.scenario) $("more").append(properties());
    if (data.scenario) {
      const taken = data.decisions.map(([name, of, value], index) => `${index}  ${name} ${value} of ${of}`).join("\n") || "none";
      $("more").append(make("section", { class: "two" },
        make("details", {}, make("summary", {}, "Scenario"), make("pre", {}, JSON.stringify(data.scenario, null, 1))),
        make("details", {}, make("summary", {}, `Tape: ${count(data.decisions.length, "decision")}`), make("pre", {}, taken))));
    }
  }

  // Hands.
  function theme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    drawOverview();
  }
  const KEYS = {
    ArrowRight: () => step(1), ArrowDown: () => step(1), j: () => step(1),
    ArrowLeft: () => step(-1), ArrowUp: () => step(-1), k: () => step(-1),
    PageDown: () => step(20), PageUp: () => step(-20),
    Home: () => go(shown.length ? shown[0] : 0), End: () => go(shown.length ? shown[shown.length - 1] : 0),
    c: () => callback(1), C: () => callback(-1), v: () => go(breaks()), t: theme,
    "/": () => $("search").focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target === $("search")) { if (event.key === "Escape") { $("search").value = ""; filter(); $("list").focus(); } return; }
    if (event.target.tagName === "BUTTON" && event.key.length > 1 && !event.key.startsWith("Arrow")) return;
    const act = KEYS[event.key];
    if (act) { act(); event.preventDefault(); }
  });
  for (const [id, key] of [["first", "Home"], ["back", "k"], ["forward", "j"], ["last", "End"], ["jump", "v"], ["theme", "t"]]) {
    $(id).addEventListener("click", () => KEYS[key]());
  }
  $("slider").max = Math.max(0, records.length - 1);
  $("slider").addEventListener("input", () => go(Number($("slider").value)));
  $("search").addEventListener("input", filter);
  $("list").addEventListener("scroll", drawList, { passive: true });
  $("list").addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) go(Number(row.dataset.record), false);
  });
  const point = (event) => go(Math.round(((event.offsetX - 4) / (base.width - 8)) * (records.length - 1)));
  $("overview").addEventListener("pointerdown", point);
  $("overview").addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  window.addEventListener("resize", () => { drawOverview(); drawList(); });
  window.addEventListener("hashchange", () => { const wanted = Number(location.hash.slice(1)); if (wanted !== now) go(wanted || 0); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawOverview);
  data.classes.forEach((name, index) => {
    const box = make("input", { type: "checkbox", checked: "" });
    box.addEventListener("change", () => { if (box.checked) hidden.delete(index); else hidden.add(index); filter(); });
    const words = { bad: "trouble", call: "calls", callback: "callbacks", kernel: "kernel", loop: "loop", peer: "raw peers", thread: "threads" };
    $("classes").append(make("label", { class: name }, box, ` ${words[name] || name}`));
  });
  $("jump").hidden = broken.length === 0;
  $("related").hidden = true;
  laneHeads();
  drawMore();
  filter();
  const wanted = /^#\d+$/.test(location.hash) ? Number(location.hash.slice(1)) : broken.length ? breaks() : 0;
  go(wanted);
  document.documentElement.dataset.ready = "yes";
})();
