// Building pages. Text only ever becomes a text node: what a document is called cannot be markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element; an attribute `onclick` with a function is a listener. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Replace what `parent` holds, and leave the focus where it was. */
export function fill(parent, ...children) {
  const active = document.activeElement;
  const key = parent.contains(active) ? active.dataset.key : null;
  const end = active?.selectionEnd;
  parent.replaceChildren(...children.flat().filter(Boolean));
  if (active?.isConnected && active !== document.activeElement) active.focus({ preventScroll: true });
  if (!key || active.isConnected) return;
  const again = [...parent.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  again?.focus({ preventScroll: true });
  if (again && typeof end === "number") again.setSelectionRange?.(end, end);
}

const shown = new WeakMap();

/** Draw into `parent` only when `data` is not what it shows already; hidden without data. */
export function show(parent, data, draw) {
  const text = JSON.stringify(data ?? null);
  if (shown.get(parent) === text) return;
  shown.set(parent, text);
  parent.hidden = data === null || data === undefined;
  fill(parent, parent.hidden ? [] : draw(data));
}

export function download(text, href) {
  return el("a", { class: "button", href, download: "" }, text);
}

export function field(label, control) {
  return el("label", { class: "field" }, label, control);
}

/** A drop-down; `choices` are [value, text] pairs. */
export function select(label, choices, value, onchange, key) {
  const options = choices.map(([each, text]) =>
    el("option", { value: each, selected: each === value }, text),
  );
  const listener = (event) => onchange(event.target.value);
  return field(label, el("select", { "data-key": key, onchange: listener }, ...options));
}
