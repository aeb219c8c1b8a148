"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // ------------------------------------------------------------------------------- elements, numbers

  const filled = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const html = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);
  const svg = (name, attributes = {}, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

  const format = (x, digits = 4) => {
    if (x === null || x === undefined) return "–";
    const rounded = Number.isInteger(x) ? x : Number(x.toPrecision(digits));
    const tiny = rounded !== 0 && Math.abs(rounded) < 1e-4;
    return (tiny ? rounded.toExponential() : rounded.toLocaleString("en", { maximumFractionDigits: 8 })).replace("-", "−");
  };

  const ramp = (...stops) =>
    Array.from({ length: 256 }, (_, i) => {
      const place = (i / 255) * (stops.length - 1);
      const k = Math.min(Math.floor(place), stops.length - 2);
      return stops[k].map((a, c) => Math.round(a + (place - k) * (stops[k + 1][c] - a)));
    });
  const GREY = ramp([0, 0, 0], [255, 255, 255]);
  const SIGNED = ramp([6, 30, 84], [134, 134, 134], [255, 240, 200]); // as grey: dark, middle, light

  const unpacked = ({ shape, low, high, bytes }) => {
    const steps = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    return { shape, low, high, steps, value: (i) => low + (steps[i] * (high - low)) / 255 };
  };

  // ------------------------------------------------------------------------- a slider, a button, words

  // show(i) draws step i of n, words(i) says what is seen. Space plays and stops, arrows step.
  function player(figure, n, show, words, { playable = false, autoplay = false, name = "Frame", begin = 0 } = {}) {
    const slider = html("input", { type: "range", min: 0, max: n - 1, step: 1, value: 0 });
    const readout = html("p", { class: "readout" });
    const button = html("button", { type: "button" }, "Play");
    const controls = html("div", { class: "controls" }, html("label", {}, name, slider), readout);
    let timer = null;
    const go = (i) => {
      slider.value = i;
      readout.textContent = words(i);
      if (timer === null) slider.setAttribute("aria-valuetext", words(i));
      show(i);
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      button.textContent = "Play";
      slider.setAttribute("aria-valuetext", words(+slider.value));
    };
    const play = () => {
      timer = setInterval(() => go((+slider.value + 1) % n), 1000 / 12);
      button.textContent = "Pause";
    };
    const toggle = () => (timer === null ? play() : stop());
    const step = (i) => {
      stop();
      go(Math.min(n - 1, Math.max(0, i)));
    };
    slider.addEventListener("input", () => step(+slider.value));
    if (playable) {
      controls.prepend(button);
      button.addEventListener("click", toggle);
      figure.querySelector(".drawing").addEventListener("click", (event) => event.target.tagName === "CANVAS" && toggle());
    }
    controls.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === " " && playable && event.target === slider) toggle();
      else if (by && event.target === button) step(+slider.value + by);
      else return;
      event.preventDefault();
    });
    if (playable && autoplay && !calm.matches && "IntersectionObserver" in window) {
      const watching = new IntersectionObserver(([entry]) => {
        if (entry.isIntersecting && timer === null) play();
        if (!entry.isIntersecting && timer !== null) stop();
      });
      watching.observe(figure);
      controls.addEventListener("click", () => watching.disconnect());
      controls.addEventListener("keydown", () => watching.disconnect());
    }
    figure.querySelector(".drawing").after(controls);
    go(begin);
    return { go: step, again: () => show(+slider.value) };
  }

  const errorsAt = (spec, i) =>
    Object.entries(spec.errors || {})
      .filter(([, errors]) => errors[i] !== null && errors[i] !== undefined)
      .map(([name, errors]) => `${name} ${format(errors[i], 3)}`)
      .join(", ");

  const withErrors = (spec, i, words) => {
    const errors = errorsAt(spec, i);
    return errors ? `${words}. Squared error: ${errors}` : words;
  };

  // ------------------------------------------------------------------------------------ images, rolls

  function paint(canvas, width, height, colour, scale = [1, 1]) {
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) image.data.set([...colour(i), 255].slice(0, 4), 4 * i);
    const small = html("canvas", { width, height });
    small.getContext("2d").putImageData(image, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(small, 0, 0, width * scale[0], height * scale[1]);
    return context;
  }

  function panelsOf(figure, spec, kind) {
    const grid = html("div", { class: kind });
    const panels = spec.panels.map(({ label, signed, values }) => {
      const canvas = html("canvas", { role: "img", "aria-label": label });
      grid.append(html("div", { class: "panel" }, html("p", {}, label), canvas));
      return { label, canvas, palette: signed ? SIGNED : GREY, ...unpacked(values) };
    });
    figure.querySelector(".drawing").append(grid);
    return panels;
  }

  function images(figure, spec) {
    const panels = panelsOf(figure, spec, "panels");
    for (const { canvas, shape } of panels) [canvas.height, canvas.width] = shape.slice(1);
    const n = Math.max(...panels.map(({ shape }) => shape[0]));
    const show = (i) => {
      for (const { canvas, palette, shape, steps } of panels) {
        const [frames, height, width] = shape;
        const start = (i % frames) * height * width;
        paint(canvas, width, height, (k) => palette[steps[start + k]]);
      }
    };
    player(figure, n, show, (i) => withErrors(spec, i, `Frame ${spec.start + i} of ${spec.start + n - 1}`), spec);
  }

  function roll(figure, spec) {
    const panels = panelsOf(figure, spec, "panels rolls");
    const n = Math.max(...panels.map(({ shape }) => shape[0]));
    const rows = spec.names.length;
    const scale = [Math.max(2, Math.round(1200 / n)), Math.min(24, Math.max(2, Math.round(330 / rows)))];
    for (const panel of panels) {
      [panel.canvas.width, panel.canvas.height] = [n * scale[0], rows * scale[1]];
      panel.whole = html("canvas", { width: n * scale[0], height: rows * scale[1] });
      const at = (i) => (rows - 1 - Math.floor(i / panel.shape[0])) + rows * (i % panel.shape[0]);
      paint(panel.whole, panel.shape[0], rows, (i) => panel.palette[panel.steps[at(i)]], scale);
    }
    const strongest = ({ value, shape, high }, i) => {
      if (i >= shape[0]) return "–";
      const found = spec.names.map((name, k) => [value(i * rows + k), name]).filter(([v]) => Math.abs(v) > 0.25 * high);
      found.sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]));
      return found.slice(0, 4).map(([v, name]) => `${name} (${format(v, 2)})`).join(", ") || "nothing large";
    };
    const show = (i) => {
      for (const { canvas, whole } of panels) {
        const context = canvas.getContext("2d");
        context.drawImage(whole, 0, 0);
        context.fillStyle = "#000";
        context.fillRect((i + 0.5) * scale[0] - 3, 0, 6, canvas.height);
        context.fillStyle = "#ff9d3c";
        context.fillRect((i + 0.5) * scale[0] - 1.5, 0, 3, canvas.height);
      }
    };
    const words = (i) => {
      const each = panels.map((panel) => `${panel.label}: ${strongest(panel, i)}`).join("; ");
      return withErrors(spec, i, `Frame ${spec.start + i}, the strongest features. ${each}`);
    };
    player(figure, n, show, words, spec);
  }

  // --------------------------------------------------------------------------------------- weights

  function key(figure, high) {
    const canvas = html("canvas", { width: 255, height: 1, role: "img", "aria-label": "from dark, negative, to light, positive" });
    paint(canvas, 255, 1, (i) => SIGNED[i]);
    const ends = [`dark: −${format(high, 2)}`, `light: +${format(high, 2)}`];
    figure.querySelector(".drawing").append(html("p", { class: "key" }, ends[0], canvas, ends[1]));
  }

  function fields(figure, spec) {
    const { shape, steps, high } = unpacked(spec.values);
    const [n, height, width] = shape;
    const side = Math.ceil(Math.sqrt(n));
    const rows = Math.ceil(n / side);
    const [wide, tall] = [side * (width + 1) - 1, rows * (height + 1) - 1];
    const scale = Math.max(1, Math.round(1300 / wide));
    const canvas = html("canvas", {
      width: wide * scale, height: tall * scale, role: "img",
      "aria-label": `Receptive fields of ${n} units; the table below has their sizes`,
    });
    paint(canvas, wide, tall, (i) => {
      const [y, x] = [Math.floor(i / wide), i % wide];
      const [r, c] = [y % (height + 1), x % (width + 1)];
      const unit = Math.floor(y / (height + 1)) * side + Math.floor(x / (width + 1));
      if (r === height || c === width || unit >= n) return [0, 0, 0, 0];
      return SIGNED[steps[(unit * height + r) * width + c]];
    }, [scale, scale]);
    key(figure, high);
    figure.querySelector(".drawing").append(canvas);
  }

  function matrix(figure, spec) {
    const { shape, steps, value, high } = unpacked(spec.values);
    const [rows, columns] = shape;
    const longest = Math.max(...spec.rows.map((name) => name.length), 1.3 * spec.axes[0].length + 2);
    const left = Math.min(130, 14 + 6.6 * longest);
    key(figure, high);
    sized(figure, (width) => {
      const cell = Math.max(4, Math.min(28, (width - left - 4) / columns));
      const top = 48;
      const drawing = svg("svg", {
        viewBox: `0 0 ${width} ${top + rows * cell + 4}`, role: "img",
        "aria-label": `Map of weights, ${rows} rows and ${columns} columns; the table below has the sizes`,
      });
      drawing.append(svg("text", { x: left, y: 12, class: "title" }, `${spec.axes[1]} →`));
      drawing.append(svg("text", { x: left - 8, y: top - 8, "text-anchor": "end", class: "title" }, `${spec.axes[0]} ↓`));
      const every = Math.ceil(13 / cell);
      spec.rows.forEach((name, r) => {
        const y = top + (r + 0.5) * cell + 4;
        const cut = name.length > 18 ? `${name.slice(0, 17)}…` : name;
        if (r % every === 0) drawing.append(svg("text", { x: left - 8, y, "text-anchor": "end" }, cut));
      });
      spec.columns.forEach((name, c) => {
        const x = left + (c + 0.5) * cell;
        if (c % (cell < 24 ? 2 * every : 1) === 0) drawing.append(svg("text", { x, y: top - 8, "text-anchor": "middle" }, name));
      });
      for (let i = 0; i < rows * columns; i++) {
        const [x, y] = [left + (i % columns) * cell, top + Math.floor(i / columns) * cell];
        const fill = `rgb(${SIGNED[steps[i]].join(",")})`;
        drawing.append(svg("rect", { x, y, width: cell - 0.5, height: cell - 0.5, fill }));
        if (Math.abs(value(i)) < 0.4 * high || cell < 8) continue;
        const positive = value(i) > 0;
        const attributes = { x: x + cell / 2, y: y + cell * 0.76, class: `sign ${positive ? "light" : "dark"}` };
        const sign = svg("text", attributes, positive ? "+" : "−");
        sign.style.fontSize = `${cell * 0.85}px`;
        drawing.append(sign);
      }
      return drawing;
    });
  }

  // ---------------------------------------------------------------------------------------- charts

  // Draws again when the place changes its width.
  function sized(figure, draw) {
    const place = figure.querySelector(".drawing").appendChild(html("div"));
    let before = 0;
    const again = () => {
      const width = Math.round(place.clientWidth);
      if (width && width !== before) place.replaceChildren(draw((before = width)));
    };
    new ResizeObserver(again).observe(place);
    again();
    return () => ((before = 0), again());
  }

  function ticks(low, high, log, n = 3) {
    if (log) {
      const found = [];
      for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++)
        for (const m of high / low < 300 ? [1, 2, 5] : [1]) found.push(m * 10 ** p);
      return found.filter((x) => x >= low * 0.999 && x <= high * 1.001);
    }
    const rough = (high - low) / n;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step + 0);
    return found;
  }

  const numbers = (lists) => lists.flat().filter((x) => x !== null && x !== undefined);

  function scaleOf(panel) {
    const values = numbers(panel.lines.flatMap(({ y, low, high }) => [y, low || [], high || []]));
    let [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    if (panel.zero) [low, high] = [Math.min(0, low), high * 1.05];
    if (high === low) [low, high] = panel.log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
    const to = panel.log ? Math.log : (x) => x;
    return { low, high, place: (x) => (to(x) - to(low)) / (to(high) - to(low)) };
  }

  function path(points) {
    let [made, pen] = ["", "M"];
    for (const [x, y] of points) {
      if (Number.isFinite(y)) made += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = Number.isFinite(y) ? "L" : "M";
    }
    return made;
  }

  function legend(spec) {
    const known = new Map();
    for (const { label, style } of spec.panels.flatMap(({ lines }) => lines)) known.set(label, style);
    known.delete("");
    const items = [...known].map(([label, style]) => {
      const sample = svg("svg", { viewBox: "0 0 34 10", "aria-hidden": "true" });
      sample.append(svg("path", { d: "M0 5H34", class: `line ${style}` }));
      return html("li", {}, sample, label);
    });
    return items.length > 1 ? [html("ul", { class: "legend" }, ...items)] : [];
  }

  const HEIGHT = 112, ABOVE = 40, LEFT = 56, RIGHT = 10;

  function chart(figure, spec) {
    const lines = spec.panels.flatMap((panel) => panel.lines);
    const xs = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
    const [first, last] = [xs[0], xs[xs.length - 1]];
    const nearest = (list, x) => list.reduce((best, one, i) => (Math.abs(one - x) < Math.abs(list[best] - x) ? i : best), 0);
    const at = ({ x, y }, i) => {
      const k = nearest(x, xs[i]);
      return Math.abs(x[k] - xs[i]) <= (last - first) / x.length ? y[k] : null;
    };
    let cursor = () => {};
    figure.querySelector(".drawing").append(...legend(spec));
    const draw = (width) => {
      const along = (x) => LEFT + ((width - LEFT - RIGHT) * (x - first)) / (last - first || 1);
      const total = spec.panels.length * (HEIGHT + ABOVE) + 40;
      const drawing = svg("svg", { viewBox: `0 0 ${width} ${total}`, role: "img", "aria-label": figure.getAttribute("aria-label") });
      const moving = [];
      spec.panels.forEach((panel, p) => {
        const top = p * (HEIGHT + ABOVE) + ABOVE;
        const { low, high, place } = scaleOf(panel);
        const up = (y) => (y === null ? NaN : top + HEIGHT * (1 - place(y)));
        drawing.append(svg("text", { x: 0, y: top - 14, class: "title" }, panel.title));
        for (const tick of ticks(low, high, panel.log)) {
          drawing.append(svg("path", { d: `M${LEFT} ${up(tick)}H${width - RIGHT}`, class: "grid" }));
          drawing.append(svg("text", { x: LEFT - 8, y: up(tick) + 4, "text-anchor": "end" }, format(tick)));
        }
        for (const [x] of spec.marks || []) drawing.append(svg("path", { d: `M${along(x)} ${top}V${top + HEIGHT}`, class: "mark" }));
        for (const line of panel.lines) {
          if (line.low) {
            const edge = (side) => line.x.map((x, k) => [along(x), up(line[side][k])]);
            drawing.append(svg("path", { d: `${path(edge("low"))}${path(edge("high").reverse()).replace("M", "L")}Z`, class: "band" }));
          }
          const points = line.x.map((x, k) => [along(x), up(line.y[k])]);
          drawing.append(svg("path", { d: path(points), class: `line ${line.style}` }));
          const dot = svg("circle", { r: 4.5, class: `dot ${line.style}` });
          moving.push([dot, line, up]);
        }
      });
      const foot = total - 22;
      for (const tick of ticks(first, last > first ? last : first + 1, false, Math.max(2, width / 110))) drawing.append(svg("text", { x: along(tick), y: foot, "text-anchor": "middle" }, format(tick)));
      drawing.append(svg("text", { x: width - RIGHT, y: foot + 18, "text-anchor": "end" }, spec.axis));
      let free = -Infinity;
      for (const [x, label] of spec.marks || []) {
        const room = along(x) > free && along(x) + 7 * label.length < width;
        if (room) drawing.append(svg("text", { x: along(x) + 4, y: ABOVE - 2 }, label));
        if (room) free = along(x) + 7 * label.length;
      }
      const hair = svg("path", { class: "cursor" });
      drawing.append(hair, ...moving.map(([dot]) => dot));
      cursor = (i) => {
        hair.setAttribute("d", `M${along(xs[i])} ${ABOVE}V${total - 40}`);
        for (const [dot, line, up] of moving) {
          const y = up(at(line, i));
          dot.setAttribute("visibility", Number.isFinite(y) ? "visible" : "hidden");
          if (Number.isFinite(y)) filled(dot, { cx: along(xs[i]), cy: y }, []);
        }
      };
      drawing.addEventListener("pointermove", ({ clientX }) => {
        const box = drawing.getBoundingClientRect();
        const place = ((clientX - box.left) / box.width) * width;
        control.go(nearest(xs.map(along), place));
      });
      if (control) queueMicrotask(control.again);
      return drawing;
    };
    const words = (i) => {
      const values = spec.panels.map(({ title, lines }) => {
        const each = lines.map((line) => [line.label, at(line, i)]).filter(([, y]) => y !== null);
        return each.length ? `${title}: ${each.map(([label, y]) => `${label} ${format(y, 3)}`.trim()).join(", ")}` : "";
      });
      return `${spec.axis} ${format(xs[i])} – ${values.filter(Boolean).join("; ")}`;
    };
    let control = null;
    sized(figure, draw);
    const name = spec.axis[0].toUpperCase() + spec.axis.slice(1);
    control = player(figure, xs.length, (i) => cursor(i), words, { ...spec, name, begin: spec.playable ? 0 : xs.length - 1 });
  }

  // --------------------------------------------------------------------------------------- the page

  const KINDS = { images, roll, fields, matrix, chart };
  for (const figure of document.querySelectorAll("figure[data-figure]")) {
    const spec = data.figures[figure.dataset.figure];
    if (spec) KINDS[spec.kind](figure, spec);
  }

  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const theme = html("button", { type: "button", class: "theme" });
  const named = () => (theme.textContent = dark() ? "Light theme" : "Dark theme");
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    named();
  });
  named();
  document.querySelector("header.top").prepend(theme);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));

  // ------------------------------------------------------------------------------------ a live page

  if (data.live) {
    const known = new Map();
    const state = document.getElementById("state");
    const say = (words) => state.textContent !== words && (state.textContent = words);
    const update = ({ runs }) => {
      say(runs.length ? "The page follows the files by itself." : "There is no model file or log in the folder yet.");
      for (const run of runs) {
        if (!known.has(run.name)) {
          const words = html("p");
          const section = html("section", {}, html("h2", {}, run.name), words);
          document.getElementById("main").append(section);
          known.set(run.name, { section, words, drawn: "" });
        }
        const place = known.get(run.name);
        place.words.textContent = `${run.words}. The file changed ${format(run.seconds)} seconds ago.`;
        const drawn = JSON.stringify(run.chart);
        if (drawn === place.drawn || !run.chart) continue;
        place.drawn = drawn;
        const figure = html("figure", { "aria-label": `Learning curves of ${run.name}` }, html("div", { class: "drawing" }));
        place.section.querySelector("figure")?.remove();
        place.section.append(figure);
        chart(figure, run.chart);
      }
    };
    document.getElementById("folder").textContent = data.live.folder;
    update(data.live);
    const ask = async () => {
      try {
        update(await (await fetch("state.json")).json());
      } catch {
        say("Nobody answers: the command that serves this page has ended. The curves are the last ones.");
      }
      setTimeout(ask, 3000);
    };
    setTimeout(ask, 3000);
  }
})();
