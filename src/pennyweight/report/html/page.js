"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = [...document.querySelectorAll(".plot")];
  let waking;

  /** plotly.js, unpacked once. Where that fails the tables are opened in the figures' place. */
  function wake() {
    waking ??= (async () => {
      const letters = atob(document.getElementById("plotly").textContent);
      const packed = new Uint8Array(letters.length);
      for (let place = 0; place < letters.length; place++) {
        packed[place] = letters.charCodeAt(place);
      }
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      const script = document.createElement("script");
      script.textContent = await new Response(stream).text();
      document.head.append(script);
      return window.Plotly;
    })().catch(() => {
      for (const plot of plots) {
        plot.hidden = true;
        plot.parentElement.querySelector("details").open = true;
      }
    });
    return waking;
  }

  /** The drawing with every `var(--name)` replaced by the colour that the page has for it now. */
  function coloured(drawing, style) {
    if (typeof drawing === "string") {
      return drawing.replace(/^var\((--[a-z-]+)\)$/, (_, name) => style.getPropertyValue(name).trim());
    }
    if (Array.isArray(drawing)) {
      return drawing.map((each) => coloured(each, style));
    }
    if (drawing !== null && typeof drawing === "object") {
      return Object.fromEntries(Object.entries(drawing).map(([key, value]) => [key, coloured(value, style)]));
    }
    return drawing;
  }

  async function draw(plot) {
    const plotly = await wake();
    if (!plotly) {
      return;
    }
    const drawing = figures[`${plot.dataset.figure}/${plot.dataset.choice}`];
    const { data, layout } = coloured(drawing, getComputedStyle(document.documentElement));
    layout.width = plot.clientWidth;
    await plotly.react(plot, data, layout, { displayModeBar: false, responsive: true, showTips: false });
    plot.dataset.drawn = plot.dataset.choice;
  }

  const isOpen = (plot) => !plot.closest(".closed:not([open])");
  const redraw = () => plots.filter((plot) => "drawn" in plot.dataset && isOpen(plot)).forEach(draw);

  /** Holds the page's load event back until every figure is drawn, for whoever waits for it to take a picture: a
      document that is open in a hidden frame is not loaded yet. */
  const frame = document.createElement("iframe");
  frame.hidden = true;
  document.body.append(frame);
  frame.contentDocument?.open();
  function release() {
    frame.contentDocument?.close();
    frame.remove();
  }

  /** Figures near the reader are drawn at once, the others while the browser has nothing else to do. */
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) {
          near.unobserve(target);
          draw(target);
        }
      }
    },
    { rootMargin: "300px" },
  );
  /** A browser that paints nothing may never call itself idle, and Safari does not know the word. */
  const idle = (then) => window.requestIdleCallback?.(then, { timeout: 200 }) ?? setTimeout(then, 200);
  async function drawRest() {
    const next = plots.find((plot) => !("drawn" in plot.dataset) && isOpen(plot));
    let goesOn = false;
    try {
      if (next) {
        near.unobserve(next);
        await draw(next);
        goesOn = "drawn" in next.dataset;
      }
    } finally {
      if (goesOn) {
        idle(drawRest);
      } else {
        release();
      }
    }
  }
  const begin = () =>
    setTimeout(() => {
      plots.forEach((plot) => near.observe(plot));
      idle(drawRest);
    });
  if (document.hidden) {
    begin();
  } else {
    requestAnimationFrame(begin);
  }

  for (const chapter of document.querySelectorAll(".closed")) {
    chapter.addEventListener("toggle", drawRest);
  }

  dark.addEventListener("change", redraw);
  /** Paper gets every figure, as wide as it is itself; the class gives the page that width. */
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("print");
    plots.filter(isOpen).forEach(draw);
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("print");
    redraw();
  });

  for (const input of document.querySelectorAll(".choice input")) {
    input.addEventListener("change", () => {
      const plot = input.closest("figure").querySelector(".plot");
      plot.dataset.choice = input.value;
      draw(plot);
    });
    input.checked = input.defaultChecked;
  }

  /** Sorts the table by the button's column; again, the other way round. */
  function sort(button) {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const numeric = head.classList.contains("number");
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    for (const other of head.parentElement.children) {
      other.removeAttribute("aria-sort");
    }
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map((row) => {
      const cell = row.cells[head.cellIndex];
      const value = cell.dataset.value;
      return { row, text: cell.textContent, value: value === undefined ? null : Number(value) };
    });
    const hasValues = keyed.some(({ value }) => value !== null);
    keyed.sort((a, b) => {
      if (!hasValues) {
        return sign * a.text.localeCompare(b.text, undefined, { numeric: true });
      }
      return (a.value === null) - (b.value === null) || sign * (a.value - b.value);
    });
    body.append(...keyed.map(({ row }) => row));
  }
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button));
  }
})();
