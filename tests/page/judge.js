// SPDX-License-Identifier: Apache-2.0
// What a reader needs, measured in the page: names, headings, contrast. Each function returns a list of faults.
(() => {
  function parts(colour) {
    const found = colour.match(/rgba?\(([^)]*)\)/);
    const [r, g, b, a = 1] = found[1].split(/[ ,/]+/).map(Number);
    return { r, g, b, a };
  }

  function over(top, ground) {
    const mix = (x, y) => x * top.a + y * (1 - top.a);
    return { r: mix(top.r, ground.r), g: mix(top.g, ground.g), b: mix(top.b, ground.b), a: 1 };
  }

  // WCAG 2.2, relative luminance.
  function luminance({ r, g, b }) {
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  }

  function ground(node) {
    const layers = [];
    for (let at = node; at !== null; at = at.parentElement) {
      const layer = parts(getComputedStyle(at).backgroundColor);
      if (layer.a > 0) layers.push(layer);
      if (layer.a === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), { r: 255, g: 255, b: 255, a: 1 });
  }

  function seen(node) {
    const box = node.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && getComputedStyle(node).visibility === "visible";
  }

  // Text whose contrast to what is behind it is under 4.5, or 3 for large letters.
  function faint() {
    const faults = [];
    let looked = 0;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const node = texts.currentNode.parentElement;
      if (
        texts.currentNode.data.trim() === "" ||
        node.closest("script, style, noscript, .unseen, .skip") ||
        !seen(node)
      )
        continue;
      looked += 1;
      const style = getComputedStyle(node);
      const behind = ground(node);
      const [light, dark] = [luminance(over(parts(style.color), behind)), luminance(behind)].sort(
        (a, b) => b - a,
      );
      const ratio = (light + 0.05) / (dark + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5))
        faults.push(texts.currentNode.data.trim().slice(0, 40) + ": " + ratio.toFixed(2));
    }
    return looked < 40 ? ["only " + looked + " texts were found"] : [...new Set(faults)];
  }

  function structure() {
    const faults = [];
    const one = (what) => {
      if (document.querySelectorAll(what).length !== 1) faults.push("not one " + what);
    };
    ["h1", "main", "body > header", "body > footer", "nav[aria-label]", "[role=alert]", "html[lang]"].forEach(
      one,
    );
    let level = 1;
    for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
      const next = Number(heading.tagName[1]);
      if (next > level + 1) faults.push("heading skips a level: " + heading.textContent);
      level = next;
    }
    for (const table of document.querySelectorAll("table")) {
      const name = table.caption?.textContent ?? "a table";
      if (!table.caption?.textContent) faults.push("a table without a caption");
      for (const head of table.tHead.rows[0].cells)
        if (head.scope !== "col") faults.push(name + ": a column's head without scope");
      for (const row of table.tBodies[0].rows)
        if ([...row.cells].filter((cell) => cell.scope === "row").length !== 1)
          faults.push(name + ": a row without a head");
    }
    for (const link of document.querySelectorAll("nav a"))
      if (!document.querySelector(link.hash)) faults.push(link.hash + " leads nowhere");
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    if (new Set(ids).size !== ids.length) faults.push("an id is there twice");
    return faults;
  }

  // A state is a word and a shape that differs from the other states' without colour.
  function states() {
    const faults = [];
    const shapes = new Map();
    for (const state of document.querySelectorAll(".state")) {
      if (!seen(state)) continue;
      const shape = state.querySelector(".shape");
      const style = getComputedStyle(shape);
      if (state.textContent.trim() === "") faults.push("a state without a word");
      if (shape.getAttribute("aria-hidden") !== "true") faults.push("a shape that is read aloud");
      const drawn = [
        style.clipPath,
        style.borderRadius,
        style.borderStyle,
        style.backgroundImage !== "none",
        style.width !== style.height,
        style.backgroundColor === "rgba(0, 0, 0, 0)",
        parseFloat(style.width) < 8,
      ].join("|");
      shapes.set(state.dataset.state, drawn);
    }
    if (new Set(shapes.values()).size !== shapes.size)
      faults.push("two states have one shape: " + JSON.stringify([...shapes]));
    return faults;
  }

  // Everything that takes the focus by keyboard shows it.
  function unfocused() {
    const faults = [];
    for (const node of document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")) {
      if (!seen(node) && !node.matches(".skip")) continue;
      node.focus({ focusVisible: true, preventScroll: true });
      const style = getComputedStyle(node);
      if (
        document.activeElement !== node ||
        style.outlineStyle === "none" ||
        parseFloat(style.outlineWidth) < 2
      )
        faults.push(node.outerHTML.slice(0, 80));
    }
    return faults;
  }

  window.judge = { faint, structure, states, unfocused };
})();
