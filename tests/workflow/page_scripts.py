"""Scripts that look at a page in a browser, and the screens on which pages are looked at."""

SCREENS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]

# The WCAG contrast of each visible text with its background.
CONTRASTS = """
const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const parse = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = element => {
  for (; element; element = element.parentElement) {
    const colour = parse(getComputedStyle(element).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  const svg = element.namespaceURI.endsWith('svg'), style = getComputedStyle(element);
  const pair = [light(parse(svg ? style.fill : style.color)), light(ground(element))].sort((a, b) => a - b);
  found.push([(pair[1] + 0.05) / (pair[0] + 0.05), svg, walker.currentNode.data.trim()]);
}
return found;
"""
# Texts in a figure that overlap each other or extend beyond it.
COLLISIONS = """
const found = [];
for (const svg of document.querySelectorAll('figure svg')) {
  const frame = svg.getBoundingClientRect();
  const boxed = text => [text.textContent, text.getBoundingClientRect()];
  const texts = [...svg.querySelectorAll('text')].map(boxed);
  texts.forEach(([name, box], index) => {
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1)
      found.push(`${svg.parentElement.id}: ${name}`);
    for (const [other, its] of texts.slice(index + 1)) {
      const across = Math.min(box.right, its.right) - Math.max(box.left, its.left);
      const up = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
      if (across > 1 && up > 3) found.push(`${svg.parentElement.id}: ${name} | ${other}`);
    }
  });
}
return found;
"""
FILLS = """
const fill = query => getComputedStyle(document.querySelector(query)).fill;
const body = getComputedStyle(document.body).backgroundColor;
return [body, fill('figure svg path'), fill('figure svg text')];
"""
