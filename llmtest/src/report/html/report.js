"use strict";
(() => {
  // Everything that comes from a run is shown as text nodes: nothing here parses markup.
  const data = JSON.parse(document.getElementById("data").textContent);
  const OUTCOMES = ["passed", "skipped", "failed", "errored"];
  const main = document.getElementById("main");
  const live = document.getElementById("live");
  const CUT = 20000, MOST_ROWS = 600000;

  function fill(node, children) {
    for (const child of children.flat(3)) {
      if (child === null || child === undefined || child === false) continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }
  function h(tag, props, ...children) {
    const [name, ...classes] = tag.split(".");
    const node = document.createElement(name);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(props || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
      else if (key === "style") for (const [rule, to] of Object.entries(value)) node.style.setProperty(rule, to);
      else node.setAttribute(key, value === true ? "" : value);
    }
    return fill(node, children);
  }
  function svg(tag, props, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }
  const num = (n) => n.toLocaleString("en-US");
  const score = (n) => (n === null || n === undefined ? "–" : n.toFixed(2));
  const signed = (n, digits = 3) => (n < 0 ? "−" : "+") + Math.abs(n).toFixed(digits);
  const percent = (n) => (100 * n).toFixed(n > 0 && n < 0.1 ? 1 : 0) + " %";
  const seconds = (s) => (s < 0.001 ? (s * 1e6).toFixed(0) + " µs" : s < 1 ? (s * 1000).toFixed(s < 0.01 ? 1 : 0) + " ms" : s < 90 ? s.toFixed(2) + " s" : (s / 60).toFixed(1) + " min");
  const money = (n) => "$" + (n === 0 ? "0" : n < 0.01 ? n.toPrecision(2) : n.toFixed(2));
  const some = (n, one, many) => num(n) + " " + (n === 1 ? one : many || one + "s");
  const word = (name, text) => h("span.dot." + name, null, text || name);

  // Escape sequences of terminals are left out; other control characters, and those that turn the direction of text, are named.
  const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
  // The joiners of no width (U+200C, U+200D) stay: words of some languages, and emoji, are written with them.
  const ODD = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
  function plain(text) {
    const clean = String(text).replace(ANSI, "");
    if (!ODD.test(clean)) return [clean];
    const parts = [];
    let run = "", odd = "", times = 0;
    // Many of the same are one: nobody has to wait for a megabyte of them.
    const named = () => {
      if (times) parts.push(h("span.ctl", null, "U+" + odd.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + (times > 1 ? " ×" + num(times) : "")));
      times = 0;
    };
    for (const char of clean) {
      if (!ODD.test(char)) { named(); run += char; continue; }
      if (run) parts.push(run);
      run = "";
      if (char !== odd) named();
      odd = char; times++;
    }
    named();
    if (run) parts.push(run);
    return parts;
  }
  const flat = (text) => plain(text).map((part) => (part instanceof Node ? part.textContent : part)).join("");
  function text(value, kind) {
    const all = typeof value === "string" ? value : JSON.stringify(value, null, 2);
    const code = kind === "code" || typeof value !== "string";
    const node = h(code ? "pre.code" : "pre.text", { dir: "auto" });
    if (all === "") return fill(node, [h("span.muted", null, "(empty)")]);
    if (all.length <= CUT) return fill(node, plain(all));
    // In blocks, of which the browser lays out those that are seen; a character of two units is not cut.
    const next = (from) => {
      if (from + CUT >= all.length) return all.length;
      const line = all.lastIndexOf("\n", from + CUT);
      return line > from + CUT / 2 ? line + 1 : from + CUT - (all.codePointAt(from + CUT - 1) > 0xffff ? 1 : 0);
    };
    const block = (from, to) => h("span.block", null, plain(all.slice(from, to)));
    const first = next(0);
    fill(node, [block(0, first)]);
    const button = h("button.quiet.more", { type: "button", on: { click: () => {
      const blocks = [];
      for (let from = first; from < all.length; from = next(from)) blocks.push(block(from, next(from)));
      fill(node, blocks);
      button.remove();
    } } }, "Show the other " + num(all.length - first) + " characters");
    return h("div", null, node, button);
  }
  const panel = (title, ...body) => h("section.panel", null, h("header", null, title), h("div.body", null, body));
  const fold = (title, make) => {
    const node = h("details", null, h("summary", null, title));
    node.addEventListener("toggle", () => { if (node.open && node.childElementCount === 1) node.append(h("div.inner", null, make())); });
    return node;
  };

  // The rows of the table: [test, row, outcome, seconds, trials, passed trials, chunk, line, scores, snippet, before]
  const good = ([metric, value]) => {
    const { bar, at_most } = data.metrics[metric], over = bar === null ? 0 : at_most ? bar - value : value - bar;
    return over < 0 ? over - 1 : at_most ? 1 - value : value;
  };
  const rows = data.cases.map((c, index) => {
    const test = data.tests[c[0]];
    const row = { index, test, row: c[1], outcome: OUTCOMES[c[2]], seconds: c[3], trials: c[4], ok: c[5], chunk: c[6], line: c[7], scores: c[8], snippet: c[9], before: c[10] === null ? null : OUTCOMES[c[10]], changed: c[11], spent: c[12] };
    row.title = c[1] === null ? test.test : test.test + "::" + c[1];
    row.name = test.binary + "::" + row.title;
    // Of several metrics the one that misses its bar by most, else the least good.
    row.worst = row.scores.reduce((worst, s) => (s[1] !== null && (worst === null || good(s) < good(worst)) ? s : worst), null);
    row.find = (row.name + " " + row.snippet).toLowerCase();
    return row;
  });
  const byName = new Map();
  for (const row of rows) if (!byName.has(row.name)) byName.set(row.name, row);
  const bad = (outcome) => outcome === "failed" || outcome === "errored";
  const change = (row) => {
    if (!data.compared) return "";
    if (row.before === null) return "new";
    if (row.before === "passed" && bad(row.outcome)) return "worse";
    if (bad(row.before) && row.outcome === "passed") return "better";
    return row.changed ? "changed" : "";
  };
  for (const row of rows) row.change = change(row);
  const link = (name) => {
    const row = byName.get(name);
    return row ? h("a", { href: caseHash(row) }, flat(name)) : h("span", null, flat(name));
  };
  const caseHash = (row) => "#/case/" + encodeURIComponent(row.name) + (byName.get(row.name) === row ? "" : "?n=" + row.index);

  // ---- overview
  function histogram(metric) {
    const top = Math.max(...metric.histogram, 1), width = 240, height = 40, step = width / metric.histogram.length;
    const box = svg("svg", { viewBox: "0 0 240 54", preserveAspectRatio: "none", role: "img", "aria-label": "Distribution of the scores from 0 to 1" });
    metric.histogram.forEach((count, at) => {
      if (!count) return;
      const tall = Math.max(2, (height * count) / top), bins = metric.histogram.length;
      // The last column holds 1 itself, which meets every bar.
      const missed = metric.bar != null && (metric.at_most ? at / bins > metric.bar : (at + 1) / bins <= metric.bar && at + 1 < bins);
      box.append(svg("rect", { x: at * step + 1, y: height - tall, width: step - 2, height: tall, rx: 1.5, class: missed ? "under" : "over" }));
    });
    box.append(svg("line", { x1: 0, x2: width, y1: height + 0.5, y2: height + 0.5, class: "axis" }));
    if (metric.bar !== null) box.append(svg("line", { x1: metric.bar * width, x2: metric.bar * width, y1: 0, y2: height, class: "limit" }));
    if (metric.interval) {
      box.append(svg("line", { x1: metric.interval.low * width, x2: metric.interval.high * width, y1: 48, y2: 48, class: "range" }));
      box.append(svg("rect", { x: metric.mean * width - 1.5, y: 44, width: 3, height: 8, rx: 1.5, class: "at" }));
    }
    return box;
  }
  function card(metric) {
    const diff = metric.difference;
    return h("a.card", { href: "#/cases?m=" + encodeURIComponent(metric.title) + "&s=score" + (metric.at_most ? "&d=desc" : "") },
      h("span.name", null, flat(metric.title)),
      h("span.mean", null, score(metric.mean), metric.interval && h("small", null, score(metric.interval.low), " – ", score(metric.interval.high))),
      histogram(metric),
      h("span.foot", null, h("span", null, some(metric.cases, "case"), metric.bar === null ? "" : " · bar " + (metric.at_most ? "≤ " : "≥ ") + score(metric.bar)),
        h("span", null, metric.missed ? h("span.failed", null, num(metric.missed), " missed") : metric.errored ? "" : "all met", metric.errored ? h("span.errored", null, metric.missed ? " · " : "", num(metric.errored), " errored") : null)),
      diff && h("span.foot", null, h("span", null, "to the baseline"), h("span", { class: diff.interval && diff.interval.high < 0 ? "failed" : diff.interval && diff.interval.low > 0 ? "passed" : "" },
        signed(diff.value), diff.interval ? " (" + signed(diff.interval.low) + " to " + signed(diff.interval.high) + ")" : "")),
      metric.rebased && h("span.foot.errored", null, "another judge or other prompts than in the baseline"));
  }
  function table(title, heads, lines, kind) {
    return h("div.scroll" + (kind ? "." + kind : ""), { tabindex: 0, role: "region", "aria-label": title }, h("table", null,
      h("thead", null, h("tr", null, heads.map((head) => h(head.startsWith(">") ? "th.num" : "th", { scope: "col" }, head.replace(">", ""))))),
      h("tbody", null, lines.map((cells) => h("tr", null, cells.map((cell, at) => (cell instanceof HTMLTableCellElement ? cell : h(heads[at].startsWith(">") ? "td.num" : "td", { "data-head": heads[at].replace(">", "") }, cell))))))));
  }
  // Shares and scores with three digits, what is counted as it is.
  const figure = (check, value) => (value == null ? "–" : Number.isInteger(value) && !["bar", "non_inferiority"].includes(check.kind) ? num(value) : value.toFixed(3));
  const tokens = (s) => [s.usage, s.replayed_usage].reduce((sum, u) => sum + (u ? (u.prompt_tokens || 0) + (u.completion_tokens || 0) : 0), 0);
  const estimate = (e) => (e ? percent(e.value) + " (" + percent(e.interval.low) + " – " + percent(e.interval.high) + ")" : "–");
  function facts() {
    const run = data.run, cost = data.cost, spent = { cost: 0, tokens: 0, calls: 0, replayed: 0, unpriced: 0 };
    const all = cost ? [...Object.values(cost.judges || {}), ...Object.values(cost.embedders || {}), cost.application || {}] : [];
    for (const s of all) {
      spent.cost += s.cost || 0; spent.calls += s.calls || 0; spent.replayed += s.replayed || 0; spent.unpriced += s.unpriced || 0;
      spent.tokens += tokens(s);
    }
    const git = run.git, pairs = [["Run", h("span.mono", null, flat(run.id))]];
    if (git && git.commit) pairs.push(["Commit", [h("span.mono", null, flat(git.commit.slice(0, 10))), git.branch ? " on " + flat(git.branch) : "", git.dirty ? h("span.errored", null, " with changes") : ""]]);
    if (run.started && run.started < 8e15) pairs.push(["Started", new Date(run.started).toISOString().replace("T", " ").slice(0, 16) + " UTC"]);
    const judge = run.judge || (cost && cost.judge);
    if (judge) pairs.push(["Judge", flat(judge)]);
    if (data.compared) pairs.push(["Baseline", h("span.mono", null, flat(data.compared.id || "given"))]);
    pairs.push(["Time in cases", seconds(rows.reduce((sum, row) => sum + row.seconds, 0))]);
    if (all.length) {
      pairs.push(["Spent", money(spent.cost) + (spent.unpriced ? " and " + some(spent.unpriced, "unpriced call") : "")]);
      pairs.push(["Tokens", num(spent.tokens)]);
      if (spent.calls) pairs.push(["Calls", num(spent.calls) + (spent.replayed ? ", " + num(spent.replayed) + " replayed" : "")]);
    }
    return h("dl.facts", null, pairs.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
  }
  function overview() {
    const gate = data.gate, counts = Object.fromEntries(OUTCOMES.map((o) => [o, 0]));
    for (const row of rows) counts[row.outcome]++;
    const wrong = counts.failed + counts.errored, groups = data.groups.filter((group) => bad(group.outcome));
    // Of a dataset that passed as enough of its rows did, no row is a failure: the dataset is the test.
    const met = new Set(data.groups.filter((group) => group.outcome === "passed").map((group) => group.binary + "::" + group.test));
    const excused = rows.filter((row) => row.outcome === "failed" && met.has(row.test.binary + "::" + row.test.test)).length;
    const fails = wrong - excused + groups.length;
    const verdict = gate ? gate.verdict : counts.failed > excused || groups.length ? "failed" : counts.errored ? "errored" : rows.length ? "passed" : "skipped";
    const words = { pass: "The gate passes", fail: "The gate fails", inconclusive: "Inconclusive", passed: excused ? "All tests passed" : "All cases passed", failed: "Cases failed", errored: "Cases errored", skipped: "No cases" };
    const why = gate ? flat(gate.reason) : fails ? some(wrong, "case") + " of " + num(rows.length) + " did not pass." : some(rows.length, "case") + (excused ? ", of which " + num(excused) + " failed: no more than their datasets allow." : ".");
    const out = [h("section.hero", { "aria-label": "Verdict" }, h("h1.verdict." + verdict, null, words[verdict]), h("p.why", null, why))];
    if (data.warnings.length) out.push(h("section.notes", { "aria-label": "Warnings" }, data.warnings.map((warning) => h("p.note", null, flat(warning)))));
    out.push(facts());
    if (rows.length) {
      const shown = ["failed", "errored", "passed", "skipped"].filter((o) => counts[o]);
      out.push(h("div.bar", { "aria-hidden": true }, shown.map((o) => h("i." + o, { style: { "flex-grow": String(counts[o]) } }))),
        h("div.legend", null, shown.map((o) => h("a", { href: "#/cases?o=" + o }, h("b.dot." + o, null, num(counts[o])), " ", o))));
    }
    if (gate && gate.checks.length) out.push(h("h2", null, "Checks"), table("Checks", ["Verdict", "Check", ">Value", ">Baseline", "Why"], gate.checks.map((check) => [
      word(check.verdict), [flat(check.name), h("div.muted.small", null, flat(check.kind.replaceAll("_", " ")))], figure(check, check.value), figure(check, check.baseline),
      h("td.grow", null, flat(check.reason), h("div.muted.small", null, some(check.n, "case"), check.interval ? " · interval " + +check.interval.low.toFixed(3) + " to " + +check.interval.high.toFixed(3) : "",
        check.p != null ? " · p " + check.p.toPrecision(2) : "", check.settled_by ? " · " + num(check.settled_by) + " cases would settle it" : "", check.unchanged ? " · " + num(check.unchanged) + " unchanged" : ""),
        (check.worst || []).slice(0, 3).map((name) => h("div.small", null, link(name))))]), "stack"));
    if (data.metrics.length) out.push(h("h2", null, "Metrics"), h("div.cards", null, data.metrics.map(card)));
    const lists = ["worse", "better", "new", "removed", "quarantined"].map((kind) => [kind, gate ? gate.cases[kind] || [] : kind === "removed" ? data.removed : rows.filter((row) => row.change === kind).map((row) => row.name)]).filter(([, names]) => names.length);
    if (lists.length) out.push(h("h2", null, "Since the baseline"), h("div.lists", null, lists.map(([kind, names]) => h("div.card", null,
      h("span.name", null, kind === "quarantined" ? "Flaky, and in quarantine" : kind[0].toUpperCase() + kind.slice(1)), h("span.mean", null, num(names.length)),
      h("ul", null, names.slice(0, 8).map((name) => h("li", null, link(name)))),
      names.length > 8 && (kind === "removed" || kind === "quarantined" ? h("span.muted.small", null, "and ", num(names.length - 8), " more") : h("a.small", { href: "#/cases?c=" + kind }, "All ", num(names.length)))))));
    const blame = data.blame;
    if (blame && blame.stages.length) {
      const causal = blame.stages.some((stage) => stage.causal);
      out.push(h("h2", null, "Which stage cost the end score"), table("Stages", ["Stage", ">Measured", ">Passes", ">First to fail", ">Lift"].concat(causal ? [">Healed by its reference"] : []), blame.stages.map((stage) => [
        h("span.mono", null, flat(stage.stage)), num(stage.measured), stage.pass_rate == null ? "–" : percent(stage.pass_rate), estimate(stage.first_failure),
        stage.lift ? signed(stage.lift.value) + (stage.lift.few ? " (few)" : "") : "–"].concat(causal ? [stage.causal ? estimate(stage.causal.share) : "–"] : []))),
        h("p.muted.small.more", null, some(blame.failed, "case"), " of ", num(blame.cases), " failed; in ", estimate(blame.blind), " of these no measured stage did."));
    }
    if (data.groups.length) out.push(h("h2", null, "Datasets"), table("Datasets", ["Outcome", "Test", ">Must pass", "Rows"], data.groups.map((group) => [
      word(group.outcome), [h("a", { href: "#/cases?t=" + encodeURIComponent(group.binary + "::" + group.test) }, flat(group.test)), group.error ? h("div.small.errored", null, flat(group.error)) : ""],
      percent(group.pass_rate), Object.entries(group.rows).map(([name, n]) => num(n) + " " + name).join(", ")])));
    const spent = data.cost ? [...Object.entries(data.cost.judges || {}).map(([n, s]) => ["judge", n, s]), ...Object.entries(data.cost.embedders || {}).map(([n, s]) => ["embedder", n, s]), ["application", "observed calls", data.cost.application || {}]].filter(([, , s]) => s.calls) : [];
    if (spent.length) out.push(h("h2", null, "Cost"), table("Cost", ["What", "Model", ">Calls", ">Replayed", ">Tokens", ">Cost"], spent.map(([kind, name, s]) => [kind, flat(name), num(s.calls), num(s.replayed || 0),
      num(tokens(s)), money(s.cost || 0) + (s.unpriced ? " + ?" : "")])));
    main.replaceChildren(...out);
  }

  // ---- the table of cases
  const RANK = { failed: 0, errored: 1, skipped: 2, passed: 3 };
  const SORTS = {
    outcome: (row) => RANK[row.outcome], case: (row) => row.title, score: (row) => row.shown, trials: (row) => (row.trials ? row.ok / row.trials : null),
    time: (row) => row.seconds, change: (row) => ["worse", "new", "better", "changed", ""].indexOf(row.change),
  };
  let list = rows, state = {}, at = 0, draw = () => {};
  function select(query) {
    const params = new URLSearchParams(query || "");
    state = { q: params.get("q") || "", o: params.get("o") || "", m: params.get("m") || "", t: params.get("t") || "", g: params.get("g") || "", c: params.get("c") || "", s: params.get("s") || "", d: params.get("d") || "" };
    const metric = state.m ? data.metrics.findIndex((m) => m.title === state.m) : -1, words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    list = rows.filter((row) => {
      const of = metric < 0 ? null : row.scores.find((s) => s[0] === metric);
      const told = metric < 0 ? row.worst : of;
      row.shown = told ? told[1] : null;
      row.of = told && metric < 0 && row.scores.length > 1 ? data.metrics[told[0]].title : "";
      return (!state.o || (state.o === "wrong" ? bad(row.outcome) : row.outcome === state.o)) && (!state.m || of) && (!state.t || row.test.binary + "::" + row.test.test === state.t) &&
        (!state.g || row.test.tags.includes(state.g)) && (!state.c || row.change === state.c) && words.every((w) => row.find.includes(w));
    });
    const by = SORTS[state.s];
    if (by) {
      const down = state.d === "desc" ? -1 : 1;
      list.sort((a, b) => {
        const x = by(a), y = by(b);
        if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
        return (x < y ? -1 : x > y ? 1 : 0) * down || a.index - b.index;
      });
    } else list.sort((a, b) => RANK[a.outcome] - RANK[b.outcome] || a.index - b.index);
  }
  function casesHash(next) {
    const params = new URLSearchParams();
    for (const [key, value] of Object.entries(next)) if (value) params.set(key, value);
    const query = params.toString();
    return "#/cases" + (query ? "?" + query : "");
  }
  function go(hash, replace) {
    if (replace) { history.replaceState(null, "", hash); route(); } else location.hash = hash;
  }
  let kept = "#/cases";
  function cases(query) {
    const open = document.getElementById("search") && document.activeElement === document.getElementById("search");
    select(query);
    kept = location.hash || "#/cases";
    if (!document.getElementById("table")) buildTable();
    const set = (id, value) => { const node = document.getElementById(id); if (node && node.value !== value && !(open && id === "search")) node.value = value; };
    for (const key of ["o", "m", "t", "g", "c"]) set("f-" + key, state[key]);
    set("search", state.q);
    for (const head of document.querySelectorAll("[data-sort]")) {
      if (head.dataset.sort === state.s) head.setAttribute("aria-sort", state.d === "desc" ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    at = Math.min(at, Math.max(0, list.length - 1));
    const told = some(list.length, "case") + (list.length === rows.length ? "" : " of " + num(rows.length)) + (list.length > MOST_ROWS ? "; the first " + num(MOST_ROWS) + " are listed, filter for the others" : "");
    document.getElementById("count").textContent = told;
    live.textContent = told;
    const table = document.getElementById("table");
    table.setAttribute("aria-rowcount", String(list.length + 1));
    draw(true);
  }
  function buildTable() {
    const choose = (key, label, options) => options.length > 1 || state[key] ? h("select", { id: "f-" + key, "aria-label": label, on: { change: (e) => go(casesHash({ ...state, [key]: e.target.value }), true) } },
      h("option", { value: "" }, label), options.map(([value, name]) => h("option", { value }, flat(name)))) : null;
    const unique = (values) => [...new Set(values)].sort().map((value) => [value, value]);
    let wait = 0;
    const search = h("input", { id: "search", type: "search", placeholder: "Search names and inputs", "aria-label": "Search cases", autocomplete: "off", spellcheck: "false", on: { input: (e) => { clearTimeout(wait); const q = e.target.value; wait = setTimeout(() => go(casesHash({ ...state, q }), true), 80); } } });
    const heads = [["outcome", "Outcome"], ["case", "Case"], ["score", "Score"], ["trials", "Trials"], ["time", "Time"], ["change", "Change"]].map(([key, name], index) => h(index > 1 && index < 5 ? "div.num" : "div", { role: "columnheader", "data-sort": key },
      h("button", { type: "button", title: key === "score" ? "Of several metrics, the one that misses its bar by most, else the least good" : null, on: { click: () => go(casesHash({ ...state, s: key, d: state.s === key && state.d !== "desc" ? "desc" : "" }), true) } }, name)));
    const body = h("div.rows", { role: "rowgroup" });
    const HEIGHT = 48;
    draw = (fresh) => {
      if (!body.isConnected) return;
      const total = Math.min(list.length, MOST_ROWS);
      if (fresh) body.style.setProperty("height", total * HEIGHT + "px");
      const top = -body.getBoundingClientRect().top, first = Math.max(0, Math.floor(top / HEIGHT) - 8), last = Math.min(total, Math.ceil((top + innerHeight) / HEIGHT) + 8);
      if (!fresh && draw.first === first && draw.last === last) return;
      draw.first = first; draw.last = last;
      // Rows that stay are kept: who moves with the keyboard does not lose the place.
      const stay = new Map();
      for (const node of [...body.children]) {
        const place = Number(node.dataset.place);
        if (!fresh && place >= first && place < last) stay.set(place, node); else node.remove();
      }
      let before = body.firstChild;
      for (let place = first; place < last; place++) {
        if (before && before === stay.get(place)) before = before.nextSibling;
        else body.insertBefore(line(place), before);
      }
    };
    const line = (place) => {
      const row = list[place], node = h("div.row.o-" + row.outcome + (place === at ? ".at" : ""), { role: "row", id: "r" + place, "data-place": place, "aria-rowindex": place + 2, on: { click: (e) => { if (!e.target.closest("a") && !String(getSelection())) go(caseHash(row)); } } },
        h("div", { role: "cell" }, word(row.outcome)),
        h("div.what", { role: "cell" }, h("a", { href: caseHash(row), "aria-label": flat(row.title) + ", " + row.outcome }, row.row === null ? h("span.own", null, flat(row.title)) : [h("span.of", null, flat(row.test.test) + "::"), h("span.own", null, flat(row.row))]), h("span.snippet", null, h("b.only-narrow." + row.outcome, null, row.outcome + " · "), row.snippet ? flat(row.snippet) : flat(row.test.binary))),
        h("div.num", { role: "cell", title: row.of ? flat(row.of) : null }, score(row.shown), row.of ? h("span.hidden", null, " " + flat(row.of)) : null), h("div.num", { role: "cell" }, row.trials > 1 ? [row.ok + " of " + row.trials, row.ok && row.ok < row.trials ? h("span.errored", null, " flips") : ""] : h("span.muted", null, "1")),
        h("div.num", { role: "cell" }, seconds(row.seconds)), h("div", { role: "cell", class: row.change === "worse" ? "failed" : row.change === "better" ? "passed" : "muted" }, row.change || (data.compared ? "same" : "–")));
      node.style.setProperty("transform", "translateY(" + place * HEIGHT + "px)");
      return node;
    };
    main.replaceChildren(h("h1", null, "Cases"), h("p.muted", { id: "count" }),
      h("div.tools", { role: "search" }, search,
        choose("o", "Any outcome", [["wrong", "failed or errored"], ...unique(rows.map((row) => row.outcome))]), choose("m", "Any metric", unique(data.metrics.map((m) => m.title))),
        choose("t", "Any test", unique(data.tests.map((t) => t.binary + "::" + t.test))), choose("g", "Any tag", [["", ""]].slice(1).concat(unique(data.tests.flatMap((t) => t.tags)))),
        data.compared && choose("c", "Any change", unique(rows.map((row) => row.change).filter(Boolean)).concat([]))),
      h("div.grid", { id: "table", role: "table", "aria-label": "Cases", "aria-colcount": 6 }, h("div", { role: "rowgroup" }, h("div.row.head", { role: "row", "aria-rowindex": 1 }, heads)), body),
      h("p.keys.muted.small", null, h("kbd", null, "j"), " ", h("kbd", null, "k"), " move  ", h("kbd", null, "Enter"), " opens  ", h("kbd", null, "Esc"), " goes back  ", h("kbd", null, "/"), " searches"));
  }
  function move(by) {
    if (!list.length) return;
    at = Math.max(0, Math.min(list.length - 1, at + by));
    const body = document.querySelector(".rows"), top = body.getBoundingClientRect().top + at * 48;
    if (top < 110) scrollBy(0, top - 110);
    else if (top + 60 > innerHeight) scrollBy(0, top + 60 - innerHeight);
    draw(false);
    for (const row of body.querySelectorAll(".at")) row.classList.remove("at");
    place();
  }
  // The row where one is, with the focus.
  function place() {
    const row = document.getElementById("r" + at), name = row && row.querySelector("a");
    if (!name) return false;
    row.classList.add("at");
    name.focus({ preventScroll: true });
    return true;
  }

  // ---- one case
  const chunks = new Map();
  function load(row) {
    // Only the newest chunk is held in lines.
    if (!chunks.has(row.chunk)) { chunks.clear(); chunks.set(row.chunk, document.getElementById("k" + row.chunk).textContent.split("\n")); }
    return JSON.parse(chunks.get(row.chunk)[row.line]);
  }
  function diff(before, after) {
    const cut = (s) => s.match(/\s+|[\p{L}\p{N}_]+|[^\s]/gu) || [];
    let a = cut(before), b = cut(after), head = 0, tail = 0;
    if (a.length + b.length > 200000) return null;
    while (head < a.length && head < b.length && a[head] === b[head]) head++;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
    const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail), out = [];
    const put = (kind, part) => { const last = out[out.length - 1]; if (last && last[0] === kind) last[1] += part; else out.push([kind, part]); };
    for (const part of a.slice(0, head)) put("", part);
    if (x.length * y.length > 4e6) { if (x.length) put("del", x.join("")); if (y.length) put("ins", y.join("")); }
    else {
      const w = y.length + 1, best = new Uint32Array((x.length + 1) * w);
      for (let i = x.length - 1; i >= 0; i--) for (let j = y.length - 1; j >= 0; j--) best[i * w + j] = x[i] === y[j] ? best[(i + 1) * w + j + 1] + 1 : Math.max(best[(i + 1) * w + j], best[i * w + j + 1]);
      let i = 0, j = 0;
      while (i < x.length || j < y.length) {
        if (i < x.length && j < y.length && x[i] === y[j]) { put("", x[i]); i++; j++; }
        else if (j >= y.length || (i < x.length && best[(i + 1) * w + j] >= best[i * w + j + 1])) put("del", x[i++]);
        else put("ins", y[j++]);
      }
    }
    for (const part of tail ? a.slice(a.length - tail) : []) put("", part);
    return out;
  }
  const passages = (list) => list.map((p) => { const own = typeof p === "string" ? { text: p } : p; return panel(own.source ? flat(own.source) : "Passage", text(own.text || "")); });
  const calls = (list) => list.map((call) => h("div.measure", null, h("div.line", null, h("h3.mono", null, flat(call.name)), call.error ? h("span.errored", null, flat(call.error)) : null),
    call.arguments !== undefined && h("div.muted.small", null, "arguments"), call.arguments !== undefined && text(call.arguments, "code"), call.output !== undefined && h("div.muted.small", null, "returned"), call.output !== undefined && text(call.output, "code")));
  function compare(title, before, after) {
    const node = fold(title, () => {
      const parts = diff(before, after);
      return parts ? h("pre.text", { dir: "auto" }, parts.map(([kind, part]) => (kind ? h(kind, null, plain(part)) : plain(part)))) : h("span.muted", null, "The texts are too long to be compared.");
    });
    if (before.length + after.length < 4000) node.open = true;
    return node;
  }
  function content(c, then) {
    const out = [];
    if (c.scenario) out.push(panel("Scenario", text(c.scenario)));
    if (c.input) out.push(panel("Input", text(c.input)));
    if (c.expected !== undefined && c.expected !== null) {
      out.push(h("div.pair", null, panel("Output", text(c.output || "")), panel("Expected", text(c.expected))));
      if (c.output && c.output !== c.expected) out.push(compare("Differences, from expected to output", c.expected, c.output));
    } else if (c.output || !(c.turns || []).length) out.push(panel("Output", text(c.output || "")));
    if (typeof then === "string") out.push(compare("Differences, from the baseline's output to this one", then, c.output || ""));
    if ((c.turns || []).length) out.push(h("h2", null, "Conversation"), h("div.panel", null, c.turns.map((turn) => h("div.turn." + (turn.role === "assistant" ? "assistant" : "user"), null, h("b", null, flat(turn.role)), text(turn.content), (turn.retrieved || []).length ? fold(some(turn.retrieved.length, "passage"), () => passages(turn.retrieved)) : null, (turn.tools || []).length ? fold(some(turn.tools.length, "tool call"), () => calls(turn.tools)) : null))));
    for (const [key, name] of [["retrieved", "Retrieved"], ["context", "Known facts"]]) if ((c[key] || []).length) out.push(fold(name + ": " + some(c[key].length, "passage"), () => passages(c[key])));
    if ((c.tools || []).length || (c.expected_tools || []).length) out.push(h("h2", null, "Tool calls"), h("div.pair", null, h("div.panel", null, h("header", null, "Called"), calls(c.tools || [])), (c.expected_tools || []).length ? h("div.panel", null, h("header", null, "Expected"), calls(c.expected_tools)) : null));
    if (c.metadata && Object.keys(c.metadata).length) out.push(fold("Metadata", () => text(c.metadata, "code")));
    if (c.components && Object.keys(c.components).length) out.push(fold("Expected of components", () => text(c.components, "code")));
    return out;
  }
  function titleOf(m) {
    return (m.component ? m.component + " › " : "") + m.metric + (m.label ? " (" + m.label + ")" : "") + (m.part ? ", span " + m.nth : m.nth > 1 ? " #" + m.nth : "");
  }
  function measurement(m, before) {
    const most = m.bar.at_most !== undefined, bound = most ? m.bar.at_most : m.bar.at_least, title = titleOf(m), then = before && Object.hasOwn(before, title) ? before[title] : null;
    const judged = [m.judge && flat(m.judge), m.judge_calls && some(m.judge_calls, "call"), m.replayed_calls && num(m.replayed_calls) + " replayed", m.cost != null && money(m.cost), seconds(m.duration)].filter(Boolean).join(" · ");
    return h(m.part ? "div.measure.part" : "div.measure", null,
      h("div.line", null, h("h3", null, flat(title)), word(m.outcome), m.report_only && h("span.tag", null, "report only"),
        h("span.end", null, h("b", { class: m.outcome }, m.quantity ? +m.quantity.value.toPrecision(4) + " " + flat(m.quantity.unit) : score(m.score)), h("span.muted.small", null, (m.quantity && m.score != null ? " · score " + score(m.score) : "") + " · bar " + (most ? "≤ " : "≥ ") + score(bound)),
          then && h("span.muted.small", null, " · baseline " + (then[0] === null ? then[1] : score(then[0]))), then && then[0] !== null && m.score != null && Math.abs(m.score - then[0]) >= 0.005 ? h("span.small", { class: "small " + ((m.score < then[0]) !== most ? "failed" : "passed") }, " (" + signed(m.score - then[0], 2) + ")") : null)),
      m.score != null && h("div.gauge", { class: "gauge " + m.outcome, "aria-hidden": true }, h("i", { style: { width: 100 * m.score + "%" } }), h("b", { style: { left: 100 * bound + "%" } })),
      m.reason && text(m.reason),
      (m.notes || []).map((note) => h("p.muted.small", null, flat(note))),
      h("p.muted.small", null, judged),
      m.exhibit && fold("Exhibit", () => text(m.exhibit, "code")),
      m.details && Object.keys(m.details).length ? fold("Details", () => h("dl.kv", null, Object.entries(m.details).map(([key, value]) => [h("dt", null, flat(key)), h("dd", null, text(value))]))) : null,
      m.prompts && Object.keys(m.prompts).length ? fold("Prompts", () => h("dl.kv", null, Object.entries(m.prompts).map(([key, value]) => [h("dt", null, flat(key)), h("dd.mono", null, flat(value))]))) : null,
      (m.transcript || []).length ? fold("What the judge was asked: " + some(m.transcript.length, "call"), () => m.transcript.map((t) => [
        h("h4", null, flat(t.purpose), " · ", flat(t.answered_by || t.judge), t.replayed ? " · replayed" : "", t.re_ask ? " · asked again" : "", t.recorded ? " · " + flat(t.recorded[0]) : ""), text(t.prompt), h("h4", null, "Answer"), text(t.reply)])) : null);
  }
  function spans(list) {
    const end = list.reduce((most, s) => Math.max(most, (s.start || 0) + (s.duration || 0)), 1e-9), from = list.reduce((least, s) => Math.min(least, s.start || 0), end), wide = Math.max(end - from, 1e-9);
    const depth = [], order = [], below = new Map();
    list.forEach((s, i) => { const p = s.parent !== undefined && s.parent < i ? s.parent : -1; depth[i] = p < 0 ? 0 : depth[p] + 1; if (!below.has(p)) below.set(p, []); below.get(p).push(i); });
    const stack = (below.get(-1) || []).slice().reverse();
    while (stack.length) { const i = stack.pop(); order.push(i); for (const k of (below.get(i) || []).slice().reverse()) stack.push(k); }
    return h("div.panel", null, h("div.scale.muted.small", { "aria-hidden": true }, h("span", null, some(list.length, "call")), h("span", null, h("span", null, "0"), h("span", null, seconds(wide / 2)), h("span", null, seconds(wide))), h("span.num", null, "took")), order.map((i) => {
      const s = list[i], kind = typeof s.kind === "string" ? s.kind : "";
      const node = h("details", null, h("summary", null,
        h("span.who", { style: { "padding-left": Math.min(depth[i], 12) * 18 + "px" } }, h("span", { class: s.error ? "failed" : "" }, flat(s.name)), " ", h("span.muted.small", null, flat(kind), s.replayed ? " · replayed" : "", s.substituted ? " · substituted" : "", s.error ? " · " + flat(s.error).slice(0, 80) : "")),
        h("span.lane", { "aria-hidden": true }, h("i", { class: s.error ? "failed" : "", style: { left: Math.min(99, (100 * ((s.start || 0) - from)) / wide) + "%", width: Math.min(100, (100 * (s.duration || 0)) / wide) + "%" } })),
        h("span.num.muted.small", null, seconds(s.duration || 0))));
      node.addEventListener("toggle", () => {
        if (!node.open || node.childElementCount > 1) return;
        const say = [["starts after", seconds(s.start || 0)], ["model", s.model && flat(s.model)], ["tokens", s.usage && num(s.usage.prompt_tokens) + " read, " + num(s.usage.completion_tokens) + " written"], ["cost", s.cost != null && money(s.cost)], ["first item", s.time_to_first != null && seconds(s.time_to_first)]].filter(([, v]) => v);
        node.append(h("div.inner", null, h("dl.kv", null, say.map(([k, v]) => [h("dt", null, k), h("dd", null, v)])), s.error && [h("h4", null, "Error"), text(s.error)], h("h4", null, "Input"), text(s.input === undefined ? null : s.input, "code"), h("h4", null, "Output"), text(s.output === undefined ? null : s.output, "code"),
          (s.retrieved || []).length ? [h("h4", null, "Retrieved"), passages(s.retrieved)] : null, s.metadata ? [h("h4", null, "Metadata"), text(s.metadata, "code")] : null, (s.notes || []).map((n) => h("p.muted.small", null, flat(n)))));
      });
      return h("div.span", null, node);
    }));
  }
  let current = null;
  function showCase(name, query) {
    const params = new URLSearchParams(query || ""), row = params.has("n") ? rows[+params.get("n")] : byName.get(name);
    if (!row) { main.replaceChildren(h("h1", null, "There is no such case"), h("p.muted", null, flat(name)), h("p", null, h("a", { href: "#/cases" }, "All cases"))); return; }
    const { c, b, cut } = load(row), place = list.indexOf(row), pick = Math.max(0, Math.min(c.trials.length - 1, +(params.get("trial") || 0) ? +params.get("trial") - 1 : Math.max(0, c.trials.findIndex((t) => bad(t.outcome)))));
    current = row; if (place >= 0) at = place;
    const step = (by) => (place >= 0 && list[place + by] ? h("a.quiet", { href: caseHash(list[place + by]), id: by < 0 ? "prev" : "next" }, by < 0 ? "← Previous" : "Next →") : null);
    const trial = c.trials[pick] || {}, out = [
      h("div.crumbs", null, h("a", { href: kept, id: "back" }, "← Cases"), h("span.muted", null, place >= 0 ? num(place + 1) + " of " + num(list.length) : ""), h("span.end", null, step(-1), step(1))),
      h("div.title", null, h("h1", null, flat(row.title)), word(row.outcome, row.outcome)),
      c.description && h("p.muted", null, flat(c.description)),
      h("p.muted.small", null, h("span.mono", null, flat(c.file) + ":" + c.line), " · ", flat(c.binary), c.dataset ? [" · row of ", h("span.mono", null, flat(c.dataset.file) + (c.dataset.line ? ":" + c.dataset.line : ""))] : "", " · ", seconds(c.duration), c.attempt > 1 ? " · attempt " + c.attempt : ""),
      (c.tags || []).length ? h("p.more", null, c.tags.map((tag) => h("a.tag", { href: "#/cases?g=" + encodeURIComponent(tag) }, flat(tag)))) : null,
      b && h("p.more", null, h("span.muted", null, "In the baseline: "), word(b.outcome), row.changed === 0 && row.before ? h("span.muted", null, " · unchanged by hash") : ""),
      cut && h("p.note.more", null, "The run is long: the texts of cases that passed are left out here. They are in report.json."),
    ];
    if (c.trials.length > 1) {
      const passed = c.trials.filter((t) => t.outcome === "passed").length;
      out.push(h("div.tabs", { role: "tablist", "aria-label": "Trials" }, c.trials.map((t, i) => h("button.quiet", { type: "button", role: "tab", id: "tab" + i, "aria-selected": String(i === pick), "aria-controls": "trial", tabindex: i === pick ? 0 : -1, on: { click: () => openTrial(row, i), keydown: (e) => { const by = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0; if (by && c.trials[i + by]) { e.stopPropagation(); openTrial(row, i + by); } } } }, h("span.dot." + t.outcome, null, "Trial " + (i + 1))))),
        h("p.muted.small.more", null, num(passed) + " of " + num(c.trials.length) + " passed, " + num(c.passes_needed) + " needed", passed && passed < c.trials.length ? h("span.errored", null, " · it flips") : ""));
    }
    const body = [];
    if (!c.trials.length) body.push(h("p.muted.more", null, "Nothing ran."));
    if (trial.error) body.push(h("h2", null, "Error"), h("div.panel", null, h("div.body", null, text(trial.error))));
    (trial.cases || []).forEach((one, i) => {
      const own = (trial.measurements || []).filter((m) => (m.case || 0) === i);
      if (own.length) body.push(h("h2", null, trial.cases.length > 1 ? "Measurements of output " + (i + 1) : "Measurements"), h("div.panel", null, own.map((m) => measurement(m, b && b.scores))));
      body.push(h("h2", null, trial.cases.length > 1 ? "Output " + (i + 1) : "Texts"), content(one, b && b.outputs && b.outputs[pick] ? b.outputs[pick][i] : null));
    });
    const told = new Set((trial.measurements || []).map(titleOf)), gone = b ? Object.entries(b.scores).filter(([title]) => !told.has(title)) : [];
    if (gone.length) body.push(h("h2", null, "Measured in the baseline alone"), h("div.panel", null, gone.map(([title, then]) => h("div.measure", null, h("div.line", null, h("h3", null, flat(title)), h("span.end.muted", null, then[0] === null ? then[1] : score(then[0])))))));
    const rest = (trial.measurements || []).filter((m) => (m.case || 0) >= (trial.cases || []).length);
    if (rest.length) body.push(h("h2", null, "Measurements"), h("div.panel", null, rest.map((m) => measurement(m, b && b.scores))));
    if ((trial.spans || []).length) body.push(h("h2", null, "Observed calls"), spans(trial.spans));
    out.push(h("div", { id: "trial", role: c.trials.length > 1 ? "tabpanel" : null, "aria-labelledby": c.trials.length > 1 ? "tab" + pick : null }, body));
    main.replaceChildren(...out.filter((node) => node instanceof Node));
  }
  function openTrial(row, i) {
    const hash = caseHash(row);
    go(hash + (hash.includes("?") ? "&" : "?") + "trial=" + (i + 1), true);
    document.getElementById("tab" + i).focus({ preventScroll: true });
  }

  // ---- where we are
  let shown = "", scrolls = {};
  function route() {
    const hash = location.hash || "#/", [path, query] = [hash.split("?")[0], hash.split("?")[1]];
    const page = path.startsWith("#/case/") ? "case" : path === "#/cases" ? "cases" : "overview", key = page === "case" ? path + (query || "").replace(/&?trial=\d+/, "") : page;
    const moved = key !== shown, was = shown;
    shown = key; current = null;
    for (const [id, on] of [["nav-overview", page === "overview"], ["nav-cases", page !== "overview"]]) { const node = document.getElementById(id); if (on) node.setAttribute("aria-current", "page"); else node.removeAttribute("aria-current"); }
    if (page === "case") {
      let name = "";
      try { name = decodeURIComponent(path.slice(7)); } catch { name = path.slice(7); }
      showCase(name, query);
    } else if (page === "cases") cases(query);
    else overview();
    if (moved) { scrollTo(0, page === "cases" && scrolls.cases ? scrolls.cases : 0); if (page === "cases") draw(true); if (route.ran && !(page === "cases" && was.startsWith("#/case/") && place())) main.focus({ preventScroll: true }); }
    route.ran = true;
    document.title = (current ? flat(current.title) + " – " : "") + "llmtest report";
  }
  addEventListener("hashchange", route);
  // Browsers send one such event a frame.
  addEventListener("scroll", () => { if (shown === "cases") scrolls.cases = scrollY; draw(false); }, { passive: true });
  addEventListener("resize", () => draw(true));
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const typing = e.target.closest && e.target.closest("input, select, textarea");
    if (typing) { if (e.key === "Escape") typing.blur(); else if (e.key === "Enter" && shown === "cases" && list[0]) { e.preventDefault(); typing.blur(); } return; }
    const key = e.key;
    if (key === "/") { e.preventDefault(); if (shown !== "cases") go(kept); setTimeout(() => document.getElementById("search").focus(), 30); }
    else if (shown === "cases") {
      if (key === "j" || key === "ArrowDown") { e.preventDefault(); move(1); }
      else if (key === "k" || key === "ArrowUp") { e.preventDefault(); move(-1); }
      else if (key === "Enter" && list[at] && !e.target.closest("a, button")) go(caseHash(list[at]));
      else if (key === "Escape" && (state.q || state.o || state.m || state.t || state.g || state.c)) go(casesHash({ s: state.s, d: state.d }), true);
    } else if (current) {
      if (key === "Escape") go(kept);
      else if (key === "j" || key === "ArrowRight") { const next = document.getElementById("next"); if (next) go(next.getAttribute("href")); }
      else if (key === "k" || key === "ArrowLeft") { const prev = document.getElementById("prev"); if (prev) go(prev.getAttribute("href")); }
    }
  });
  const theme = document.getElementById("theme"), THEMES = ["auto", "light", "dark"];
  const paint = (to) => {
    if (to === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = to;
    theme.textContent = to[0].toUpperCase() + to.slice(1);
    theme.setAttribute("aria-label", "Colours: " + (to === "auto" ? "as the system" : to));
  };
  let colours = "auto";
  try { colours = THEMES.includes(localStorage.getItem("llmtest-theme")) ? localStorage.getItem("llmtest-theme") : "auto"; } catch { /* Some browsers keep nothing for files. */ }
  paint(colours);
  theme.addEventListener("click", () => { colours = THEMES[(THEMES.indexOf(colours) + 1) % 3]; paint(colours); try { localStorage.setItem("llmtest-theme", colours); } catch { /* As above. */ } });
  document.getElementById("top-run").textContent = data.run.git && data.run.git.commit ? data.run.git.commit.slice(0, 10) : "";
  select("");
  route();
})();
