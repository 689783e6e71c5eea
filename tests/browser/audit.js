// What a person without a mouse or with weak eyes would stumble over. Returns the number of things
// that were looked at and the problems. The contrast is WCAG's, of what the browser computed.

const problems = [];
let checked = 0;

const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function rgba(color) {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = color;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);

function behind(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const color = rgba(getComputedStyle(at).backgroundColor);
    layers.push(color);
    if (color[3] === 1) break;
  }
  return layers.reduceRight((below, top) => over(top, below), [255, 255, 255, 1]);
}

function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((each) => {
    const part = each / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}
function ratio(color, element) {
  const below = behind(element);
  return contrast(over(rgba(color), below), below);
}

const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".visually-hidden, .skip");
const nameOf = (element) =>
  element.getAttribute("aria-label") ||
  document.getElementById(element.getAttribute("aria-labelledby"))?.textContent ||
  element.labels?.[0]?.textContent ||
  (element.matches("input, select") ? "" : element.textContent) ||
  element.getAttribute("title");

// names
for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=progressbar], svg[role=img], svg[role=group]")) {
  checked += 1;
  if (!nameOf(element)?.trim()) problems.push(`no name: ${element.outerHTML.slice(0, 80)}`.replace("<", ""));
}
// headings go down one level at a time
let level = 0;
for (const element of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
  if (!element.checkVisibility()) continue;
  checked += 1;
  const now = Number(element.tagName[1]);
  if (now > level + 1) problems.push(`heading ${element.textContent} goes from ${level} to ${now}`);
  level = now;
}
if (document.querySelectorAll("h1").length !== 1) problems.push("not one heading of the first level");
for (const element of document.querySelectorAll("th:not([scope])")) problems.push(`th without scope: ${element.textContent}`);
const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
for (const id of ids.filter((each, place) => ids.indexOf(each) !== place)) problems.push(`two elements of id ${id}`);
if (!document.documentElement.lang) problems.push("no language");

// text
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.data.trim() || !seen(element) || element.matches("title, option, script") || element.closest(":disabled")) continue;
  checked += 1;
  const style = getComputedStyle(element);
  const color = element instanceof SVGElement ? style.fill : style.color;
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
  const found = ratio(color, element instanceof SVGElement ? element.closest("svg").parentElement : element);
  if (found < (large ? 3 : 4.5)) problems.push(`contrast ${found.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
}
// borders of what can be pressed, and what a drawing says by colour
for (const element of document.querySelectorAll("button:not(.plain, :disabled), select, input")) {
  if (!seen(element)) continue;
  checked += 1;
  const found = ratio(getComputedStyle(element).borderTopColor, element.parentElement);
  if (found < 3) problems.push(`contrast ${found.toFixed(2)} of the border: ${nameOf(element)}`);
}
for (const element of document.querySelectorAll("#pattern-indexed, #pattern-ignored, #pattern-unchanged, #pattern-missing, #pattern-failed, #pattern-notReached, #pattern-wouldSend")) {
  checked += 1;
  const found = ratio(getComputedStyle(element.firstChild).fill, document.body);
  if (found < 3) problems.push(`contrast ${found.toFixed(2)} of ${element.id}`);
}
for (const element of document.querySelectorAll(".try, .chart .dot, .chart .seconds, .cross")) {
  const style = getComputedStyle(element);
  const found = ratio(element.matches(".cross") ? style.stroke : style.fill, element.closest("svg:not(svg svg)").parentElement);
  if (found < 3) problems.push(`contrast ${found.toFixed(2)} of ${element.getAttribute("class")}`);
}
return { checked, problems: [...new Set(problems)] };
