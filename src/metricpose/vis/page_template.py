"""The interactive page: markup, style and the small drawing program, with marks where `page` fills in the result."""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
  body { margin: 0; font: 15px/1.4 system-ui, sans-serif; color: #2d2d30; background: #fcfcfa; }
  header, footer { padding: 10px 16px; }
  h1 { font-size: 18px; margin: 0; display: inline; }
  main { display: flex; flex-wrap: wrap; gap: 12px; padding: 0 16px; }
  figure { margin: 0; flex: 1 1 420px; min-width: 0; }
  img { max-width: 100%; max-height: 78vh; display: block; margin: 0 auto; }
  #view { position: relative; height: 78vh; min-height: 320px; border: 1px solid #dededc; }
  canvas { width: 100%; height: 100%; display: block; cursor: grab; touch-action: none; }
  canvas:focus-visible { outline: 2px solid rgb(0,114,178); }
  #tip { position: absolute; pointer-events: none; background: #1e1e1e; color: #fff; padding: 4px 9px;
         border-radius: 9px; font-size: 13px; white-space: pre; display: none; }
  nav { position: absolute; right: 8px; top: 8px; }
  button { font: inherit; font-size: 13px; border: 1px solid #bbb; background: #fff; border-radius: 6px; }
  footer { color: #707073; font-size: 13px; }
  b.l { color: rgb(0,114,178); } b.r { color: rgb(213,94,0); }
</style>
</head>
<body>
<header><h1>@TITLE@</h1></header>
<main>
  <figure><img src="@PHOTO@" alt="the photograph with the skeletons drawn over it"></figure>
  <figure id="view">
    <canvas tabindex="0" aria-label="3D view; drag or use the arrow keys to turn, wheel or + and - to zoom"></canvas>
    <nav><button id="front">front</button> <button id="side">side</button> <button id="top">top</button></nav>
    <div id="tip"></div>
  </figure>
</main>
<footer>
<b class="l">person's left</b>, <b class="r">right</b>; filled and solid: measured, hollow and dashed: inferred
or outside the frame. Squares of half a metre. Drag to turn, wheel to zoom, point at a joint for its place.
@NOTE@.</footer>
<script>
"use strict";
const data = @DATA@;
const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d"), tip = document.getElementById("tip");
const known = data.people.flatMap(p => p.points).filter(p => p[0] !== null);
const all = known.concat([[0, 0, 0], [0, data.ground, 0]]);
const middle = [0, 1, 2].map(i => all.map(p => p[i])).map(v => (Math.min(...v) + Math.max(...v)) / 2);
const radius = Math.max(1, ...all.map(p => Math.hypot(...p.map((v, i) => v - middle[i]))));
let turn = 0.75, lift = 0.32, zoom = 1, spots = [];

function eye(p) {  // scene -> screen: x right, y down, depth
  const [x, y, z] = p.map((v, i) => v - middle[i]);
  const c = Math.cos(turn), s = Math.sin(turn), a = c * x + s * z, b = -s * x + c * z;
  const cl = Math.cos(lift), sl = Math.sin(lift), up = cl * y + sl * b, away = -sl * y + cl * b + 3.4 * radius;
  const k = zoom * 1.45 * Math.min(canvas.width, canvas.height) / away;
  return [canvas.width / 2 + a * k, canvas.height / 2 - up * k, away, k];
}
function line(a, b, colour, width, dash) {
  const p = eye(a), q = eye(b);
  if (p[2] < 0.05 || q[2] < 0.05) return;
  pen.strokeStyle = colour; pen.lineWidth = width; pen.setLineDash(dash || []);
  pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); pen.stroke();
}
function ground() {
  const xs = all.map(p => p[0]), zs = all.map(p => p[2]), step = 0.5;
  const x0 = Math.floor(Math.min(...xs) / step - 1) * step, x1 = Math.ceil(Math.max(...xs) / step + 1) * step;
  const z0 = Math.floor(Math.min(...zs) / step - 1) * step, z1 = Math.ceil(Math.max(...zs) / step + 1) * step;
  const every = Math.max(1, Math.round((z1 - z0 + x1 - x0) / 40)) * step, u = devicePixelRatio;
  for (let x = x0; x <= x1 + 1e-6; x += every)
    line([x, data.ground, z0], [x, data.ground, z1], Math.abs(x) < 1e-6 ? "#969696" : "#dededc", u);
  for (let z = z0; z <= z1 + 1e-6; z += every) line([x0, data.ground, z], [x1, data.ground, z], "#dededc", u);
  pen.fillStyle = "#808080"; pen.font = 12 * u + "px system-ui, sans-serif"; pen.textAlign = "center";
  for (let z = Math.ceil(z0); z <= z1; z += Math.max(1, 2 * every)) {
    const p = eye([x1 + 0.12, data.ground, z]);
    pen.fillText(z + " m", p[0], p[1]);
  }
}
function camera() {
  const near = data.people.length ? Math.min(...data.people.map(p => p.distance || 3)) : 3;
  const reach = Math.min(0.45, near / 3), ends = data.corners.map(c => c.map(v => v * reach)), u = devicePixelRatio;
  ends.forEach((e, i) => { line([0, 0, 0], e, "#2d2d30", u); line(e, ends[(i + 1) % 4], "#2d2d30", 1.5 * u); });
  line([0, 0, 0], [0, data.ground, 0], "#969696", u, [4 * u, 4 * u]);
}
function person(p, number) {
  const u = devicePixelRatio, solid = i => p.state[i] === "measured";
  data.edges.forEach(([a, b]) => {
    if (p.points[a][0] === null || p.points[b][0] === null) return;
    const drop = i => [p.points[i][0], data.ground, p.points[i][2]];
    line(drop(a), drop(b), "#c4c4c2", 2.5 * u);
  });
  const depth = e => p.points[e[0]][0] === null || p.points[e[1]][0] === null ? -1
    : eye(p.points[e[0]])[2] + eye(p.points[e[1]])[2];
  pen.lineCap = "round";
  data.edges.slice().sort((e, f) => depth(f) - depth(e)).forEach(e => {
    if (depth(e) < 0) return;
    const width = Math.max(2.2 * u, 0.045 * eye(p.points[e[0]])[3]);
    line(p.points[e[0]], p.points[e[1]], e[2], width, solid(e[0]) && solid(e[1]) ? [] : [0.1, 1.9 * width]);
  });
  pen.setLineDash([]);
  p.points.forEach((point, i) => {
    if (point[0] === null) return;
    const [x, y, , k] = eye(point), r = Math.max(2.6 * u, 0.03 * k);
    pen.beginPath(); pen.arc(x, y, r, 0, 7); pen.fillStyle = data.colours[i]; pen.fill();
    pen.strokeStyle = "#fcfcfa"; pen.lineWidth = u; pen.stroke();
    if (!solid(i)) { pen.beginPath(); pen.arc(x, y, 0.55 * r, 0, 7); pen.fillStyle = "#fcfcfa"; pen.fill(); }
    spots.push([x, y, number, i]);
  });
}
function draw() {
  const box = canvas.getBoundingClientRect();
  canvas.width = box.width * devicePixelRatio; canvas.height = box.height * devicePixelRatio;
  spots = [];
  ground(); camera();
  const order = data.people.map((p, i) => [p, i]);
  order.sort((a, b) => eye(b[0].points.find(q => q[0] !== null) || [0, 0, 0])[2]
    - eye(a[0].points.find(q => q[0] !== null) || [0, 0, 0])[2]);
  order.forEach(([p, i]) => person(p, i));
}
function show(event) {
  const box = canvas.getBoundingClientRect(), u = devicePixelRatio;
  const x = (event.clientX - box.left) * u, y = (event.clientY - box.top) * u;
  let best = null, least = 14 * u;
  for (const s of spots) { const d = Math.hypot(s[0] - x, s[1] - y); if (d < least) { least = d; best = s; } }
  tip.style.display = best ? "block" : "none";
  if (!best) return;
  const p = data.people[best[2]], q = p.points[best[3]], sigma = p.sigma[best[3]];
  tip.textContent = "person " + best[2] + ", " + data.joints[best[3]] + " (" + p.state[best[3]] + ")\\n"
    + q[0].toFixed(2) + " m right, " + q[1].toFixed(2) + " m up, " + q[2].toFixed(2) + " m away"
    + (sigma === null ? "" : "\\n\\u00b1 " + sigma.toFixed(0) + " mm");
  tip.style.left = Math.min(best[0] / u + 12, box.width - 230) + "px"; tip.style.top = best[1] / u + 12 + "px";
}
let held = null;
canvas.addEventListener("pointerdown", e => { held = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
canvas.addEventListener("pointerup", () => { held = null; });
canvas.addEventListener("pointermove", e => {
  if (!held) { show(e); return; }
  turn += (e.clientX - held[0]) * 0.008;
  lift = Math.max(-0.4, Math.min(1.57, lift + (e.clientY - held[1]) * 0.006));
  held = [e.clientX, e.clientY]; draw();
});
canvas.addEventListener("wheel", e => {
  zoom *= Math.exp(-e.deltaY * 0.001); e.preventDefault(); draw();
}, { passive: false });
canvas.addEventListener("keydown", e => {
  const move = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[e.key];
  if (move) { turn += move[0]; lift = Math.max(-0.4, Math.min(1.57, lift + move[1])); }
  else if (e.key === "+") zoom *= 1.15; else if (e.key === "-") zoom /= 1.15; else return;
  e.preventDefault(); draw();
});
const set = (t, l) => () => { turn = t; lift = l; draw(); };
document.getElementById("front").onclick = set(0, 0);
document.getElementById("side").onclick = set(1.5708, 0.05);
document.getElementById("top").onclick = set(0, 1.5707);
addEventListener("resize", draw);
draw();
</script>
</body>
</html>
"""
