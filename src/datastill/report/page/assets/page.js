"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const remembered = {
    get(name) { try { return localStorage.getItem(name); } catch { return null; } },
    set(name, value) { try { localStorage.setItem(name, value); } catch { /* a page from disk may not */ } },
  };

  // The theme: as the system has it, or as a person wants it.
  const themes = ["", "light", "dark"], button = one("#theme");
  const use = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = "theme: " + (theme || "as the system");
  };
  use(themes.includes(remembered.get("datastill-theme")) ? remembered.get("datastill-theme") : "");
  button.hidden = false;
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "";
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    use(next);
    remembered.set("datastill-theme", next);
  });

  // Images, enlarged, beside what they are like.
  const dialog = one("#enlarged"), tiles = all(".tile");
  let shown = 0;
  const enlarge = (place) => {
    shown = (place + tiles.length) % tiles.length;
    const tile = tiles[shown];
    one("#enlarged-name").textContent = tile.dataset.name;
    one(".big", dialog).replaceChildren(one("img", tile).cloneNode());
    const near = all(".neighbours > span", tile).map((found) => {
      const figure = document.createElement("figure"), said = document.createElement("figcaption");
      said.textContent = `nearest real image: ${found.dataset.label}, ${found.dataset.distance} away`;
      figure.append(one("img", found).cloneNode(), said);
      return figure;
    });
    one(".near", dialog).replaceChildren(...near);
    one(".taken", dialog).textContent =
      tile.dataset.taken ? `Original models take it for: ${tile.dataset.taken}` : "";
  };
  tiles.forEach((tile, place) => tile.addEventListener("click", () => { enlarge(place); dialog.showModal(); }));
  all("[data-step]", dialog).forEach((step) =>
    step.addEventListener("click", () => enlarge(shown + Number(step.dataset.step))));
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) enlarge(shown + step);
  });
  dialog.addEventListener("close", () => { if (tiles[shown]) tiles[shown].focus(); });

  // Images of a set are one stop of the Tab key; arrows go through them, up and down by classes.
  all(".gallery").forEach((gallery) => {
    const own = all(".tile", gallery), lists = all(".tiles", gallery).map((list) => all(".tile", list));
    own.forEach((tile, place) => {
      tile.setAttribute("tabindex", place ? "-1" : "0");
      tile.addEventListener("focus", () => own.forEach((one) => one.setAttribute("tabindex", one === tile ? "0" : "-1")));
      tile.addEventListener("keydown", (event) => {
        const row = lists.findIndex((list) => list.includes(tile)), column = lists[row].indexOf(tile);
        const beside = (list) => list && list[Math.min(column, list.length - 1)];
        const next = {
          ArrowLeft: () => own[place - 1], ArrowRight: () => own[place + 1], Home: () => own[0], End: () => own.at(-1),
          ArrowUp: () => beside(lists[row - 1]), ArrowDown: () => beside(lists[row + 1]),
        }[event.key];
        if (!next) return;
        event.preventDefault();
        next()?.focus();
      });
    });
  });

  // A set on its way.
  all(".evolution").forEach((figure) => {
    const range = one("input", figure), frames = all(".frame", figure), output = one("output", figure);
    const steps = range.dataset.steps.split(" ");
    range.addEventListener("input", () => {
      frames.forEach((frame, place) => { frame.hidden = place !== Number(range.value); });
      output.textContent = steps[range.value];
      range.setAttribute("aria-valuetext", `after ${steps[range.value]} updates`);
    });
    range.value = frames.length - 1;
  });

  // Text to take away.
  all(".taken-away").forEach((box) => {
    if (!navigator.clipboard) return;
    const copy = one(".copy", box);
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(one("pre", box).textContent);
      copy.textContent = "copied";
    });
  });

  // On paper nothing can be opened: numbers that were folded away are printed too.
  const folded = () => all("details:not([open])");
  let unfolded = [];
  addEventListener("beforeprint", () => { unfolded = folded(); unfolded.forEach((one) => { one.open = true; }); });
  addEventListener("afterprint", () => unfolded.forEach((one) => { one.open = false; }));

  // A run that goes on writes this page again.
  const live = one("#live");
  if (live && Number(live.dataset.seconds) > 0) {
    const stop = one("button", live);
    const timer = setTimeout(() => location.reload(), 1000 * Number(live.dataset.seconds));
    stop.hidden = false;
    stop.addEventListener("click", () => { clearTimeout(timer); stop.textContent = "reload it yourself"; stop.disabled = true; });
  }

  // Charts.
  const content = one("#charts");
  if (!content) return;
  const charts = JSON.parse(content.textContent);
  const config = {
    font: "system-ui, sans-serif",
    axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridOpacity: 1 },
    legend: { labelFontSize: 12, titleFontSize: 12 },
    view: { stroke: null },
  };
  const inspect = (name, datum) => {
    const place = one(`[data-inspected="${name}"]`);
    if (!place || !datum || datum.set === undefined) return;
    const picture = all(`[data-of="${name}"]`).find((image) => image.dataset.set === datum.set);
    const said = document.createElement("p");
    const others = ["recipe", "method", "ipc", "accuracy", "value"].filter((key) => datum[key] !== undefined);
    said.textContent = [datum.set, ...others.map((key) =>
      `${key} ${typeof datum[key] === "number" ? Number(datum[key].toPrecision(5)) : datum[key]}`)].join(", ");
    place.replaceChildren(...(picture ? [picture.cloneNode()] : []), said);
  };
  const reachable = (drawing, name) => {
    const marks = all(".mark-symbol.role-mark path", drawing).filter((mark) => mark.__data__ && mark.__data__.datum);
    if (!one(`[data-inspected="${name}"]`)) return;
    marks.forEach((mark, place) => {
      mark.setAttribute("tabindex", place ? "-1" : "0");
      mark.addEventListener("focus", () => inspect(name, mark.__data__.datum));
      mark.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = marks[(place + step + marks.length) % marks.length];
        mark.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });
  };
  const draw = async (drawing, chart, spec) => {
    const name = drawing.dataset.chart;
    const description = one("figcaption", drawing.closest("figure")).textContent;
    const found = await vegaEmbed(drawing, { ...spec, description, data: chart.spec.data, config }, {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true,
    });
    found.view.addEventListener("mouseover", (_, item) => { if (item && item.datum) inspect(name, item.datum); });
    found.view.addEventListener("click", (_, item) => { if (item && item.datum) inspect(name, item.datum); });
    reachable(drawing, name);
    drawing.dataset.drawn = "yes";
  };
  for (const drawing of all("[data-chart]")) {
    const chart = charts[drawing.dataset.chart];
    draw(drawing, chart, chart.spec);
    const choice = one(`[data-choice="${drawing.dataset.chart}"]`);
    if (choice) choice.addEventListener("change", () => {
      const chosen = chart.choices[Number(choice.value)];
      one(`[id="${drawing.dataset.chart}-about"]`).textContent = chosen.about;
      draw(drawing, chart, chosen.spec);
    });
  }
})();
