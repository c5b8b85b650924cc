// Lines between the columns: solid ones join the same passage, dashed ones the translations of a highlighted passage.

import { colourOf } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

// Draw the lines, and draw them again whenever sizes change. Returns a function that ends this.
export function joinColumns(board) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.classList.add("lines");
  drawing.setAttribute("aria-hidden", "true");
  board.prepend(drawing);
  const draw = () => drawLines(board, drawing);
  const observer = new ResizeObserver(draw);
  observer.observe(board);
  board.addEventListener("resized", draw);
  return () => observer.disconnect();
}

function drawLines(board, drawing) {
  const [left, right] = [...board.querySelectorAll(".column")].map((column) => [...column.querySelectorAll(".card")]);
  drawing.replaceChildren();
  if (!right) return;
  const frame = board.getBoundingClientRect();
  const shift = board.scrollLeft - frame.left;
  drawing.setAttribute("width", board.scrollWidth);
  drawing.setAttribute("height", board.scrollHeight);
  for (const from of left) {
    for (const to of right) {
      const same = from.dataset.id === to.dataset.id;
      if (!same && (from.dataset.content === undefined || from.dataset.content !== to.dataset.content)) continue;
      const [start, end] = [from.getBoundingClientRect(), to.getBoundingClientRect()];
      const [x1, x2] = [start.right + shift, end.left + shift];
      const [y1, y2] = [start, end].map((box) => box.top - frame.top + Math.min(box.height / 2, 24));
      const middle = (x1 + x2) / 2;
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`);
      path.setAttribute("stroke", colourOf(from.dataset.language));
      path.setAttribute("class", same ? "same" : "twin");
      path.dataset.from = from.dataset.id;
      path.dataset.to = to.dataset.id;
      drawing.append(path);
    }
  }
}
