(async () => {
  const told = [];
  const ok = (what, holds, why) => told.push((holds ? "ok " : "FAILED ") + what + (holds || why === undefined ? "" : ": " + why));
  const wait = () => new Promise((done) => setTimeout(done, 60));
  const to = async (hash) => { location.hash = hash; await wait(); await wait(); };
  // Frames, and with them events of scrolling, may come late by the virtual clock.
  const scrolled = async (y) => { scrollTo(0, y); dispatchEvent(new Event("scroll")); await wait(); };
  const main = () => document.getElementById("main").textContent;
  const press = async (key) => { (document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })); await wait(); };
  try {
    ok("the overview is there", main().includes("did not pass"));
    await to("#/cases");
    const table = document.getElementById("table");
    ok("the table has every case", table.getAttribute("aria-rowcount") === "10001", table.getAttribute("aria-rowcount"));
    ok("few rows stand in the document", document.querySelectorAll(".rows .row").length < 80);
    for (let y = 0; y < 400000; y += 10000) {
      scrollTo(0, y);
      dispatchEvent(new Event("scroll"));
      void document.body.offsetHeight;
      await new Promise((done) => setTimeout(done, 5));
    }
    ok("rows follow the scroll", Number(document.querySelector(".rows .row").getAttribute("aria-rowindex")) > 5000);
    await to("#/cases?o=failed");
    const failed = table.getAttribute("aria-rowcount") - 1;
    ok("a filter leaves some", failed > 500 && failed < 5000 && document.getElementById("live").textContent.includes("of 10,000"), failed);
    await to("#/cases?g=even&q=row-42");
    ok("filters and words are put together", main().includes("row-42") && !main().includes("hostile-0"));
    await to("#/cases?s=score");
    const scores = () => [...document.querySelectorAll(".rows .row")].slice(0, 8).map((row) => Number(row.children[2].textContent));
    ok("it sorts upwards", scores().every((score) => score === 0), scores().join());
    document.querySelector("[data-sort=score] button").click();
    await wait();
    await scrolled(0);
    ok("a second click sorts downwards", scores()[0] === 1 && location.hash.includes("d=desc"), scores().join());
    await to("#/cases?q=row-99");
    document.activeElement.blur();
    await press("j"); await press("j"); await press("k");
    ok("keys move through the rows", document.querySelector(".row.at") !== null);
    const focused = () => document.activeElement.closest(".rows .row");
    ok("with the focus", focused() !== null && focused().classList.contains("at"));
    const before = document.activeElement;
    await scrolled(200);
    ok("which a row does not lose when the table is scrolled", document.activeElement === before);
    await scrolled(0);
    const of = document.activeElement.getAttribute("href");
    document.activeElement.blur();
    await press("Enter"); await wait();
    ok("Enter opens a case", location.hash.startsWith("#/case/") && main().includes("the answer to question"), location.hash);
    await press("Escape"); await wait();
    ok("Escape goes back to the same rows", location.hash.includes("q=row-99"), location.hash);
    ok("and to the row that was opened", document.activeElement.getAttribute("href") === of, document.activeElement.outerHTML.slice(0, 80));
    for (let n = 0; n < 9; n++) {
      await to("#/cases?q=" + (n === 4 || n === 8 ? "row-" + n : "hostile-" + n));
      const links = [...document.querySelectorAll(".rows .row a")];
      const link = n === 4 || n === 8 ? links.find((a) => a.textContent.endsWith("::row-" + n)) : links[0];
      if (!link) { ok("hostile case " + n + " is listed", false); continue; }
      await to(link.getAttribute("href"));
      for (const details of document.querySelectorAll("details")) details.open = true;
      await wait();
      ok("hostile text " + n + " is shown", document.querySelectorAll("#main h1").length === 1 && main().includes("Output"), main().slice(0, 80));
      if (n === 0) ok("as it is written", main().includes("<script>window.hacked = 1</" + "script>"));
      if (n === 3) ok("without codes of terminals", main().includes("red link U+0000end"), main().slice(0, 200));
      if (n === 4) {
        const more = document.querySelector("button.more");
        ok("a long text is cut", more !== null && main().length < 200000, main().length);
        if (more) { more.click(); await wait(); ok("and its rest is shown when asked for", main().includes("the end") && main().length > 900000, main().length); }
      }
      if (n === 8) {
        const more = document.querySelector("button.more");
        ok("a flood of control characters is few elements", more !== null && document.querySelectorAll(".ctl").length < 10, document.querySelectorAll(".ctl").length);
        if (more) { more.click(); await wait(); ok("to its end, where a character that is not seen is named", main().includes("U+E0041the end")); }
      }
      if (n === 5) ok("what turns text is named", main().includes("U+202E"));
    }
    ok("no element came of a text", document.querySelectorAll("#main img, #main script, #main iframe, #main b[onclick], #main svg[onload]").length === 0);
    ok("nothing ran", window.hacked === undefined);
    ok("nothing was loaded", performance.getEntriesByType("resource").length === 0, performance.getEntriesByType("resource").map((r) => r.name).join());
    ok("there was no error, and the policy had nothing to stop", window.seen.length === 0, window.seen.join("; "));
  } catch (error) {
    ok("the test came to its end", false, String(error && error.stack));
  }
  const out = document.createElement("pre");
  out.id = "told";
  out.textContent = told.join("\n");
  document.body.append(out);
})();
