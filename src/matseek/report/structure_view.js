for (const box of document.querySelectorAll(".matseek-structure:not([data-live])")) {
  box.dataset.live = "yes";
  const { caption, centres, radii, colors } = JSON.parse(box.dataset.atoms);
  const canvas = document.createElement("canvas"), width = 460, height = 340, sharp = window.devicePixelRatio || 1;
  canvas.width = width * sharp; canvas.height = height * sharp;
  canvas.style.cssText = `width:${width}px;height:${height}px;cursor:grab;touch-action:none;background:white`;
  canvas.title = "drag to turn";
  const extent = Math.max(...centres.map((c, k) => Math.hypot(...c) + radii[k])) || 1;
  const scale = 0.94 * Math.min(width, height) / 2 / extent * 1.25;
  let turn = 0.35, tilt = -0.95;
  const draw = () => {
    const pen = canvas.getContext("2d");
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, width, height);
    const [ct, st, cx, sx] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const seen = centres.map(([x, y, z], k) => {
      const [u, v] = [ct * x - st * y, st * x + ct * y];
      return { x: width / 2 + scale * u, y: height / 2 - scale * (cx * v - sx * z), depth: sx * v + cx * z, k };
    }).sort((a, b) => a.depth - b.depth);
    for (const { x, y, k } of seen) {
      const r = scale * radii[k], [red, green, blue] = colors[k];
      const shade = pen.createRadialGradient(x - 0.35 * r, y - 0.35 * r, 0.1 * r, x, y, r);
      shade.addColorStop(0, "white");
      shade.addColorStop(0.35, `rgb(${red},${green},${blue})`);
      shade.addColorStop(1, `rgb(${0.6 * red},${0.6 * green},${0.6 * blue})`);
      pen.fillStyle = shade; pen.strokeStyle = "rgba(40,40,40,0.5)"; pen.lineWidth = 0.6;
      pen.beginPath(); pen.arc(x, y, r, 0, 2 * Math.PI); pen.fill(); pen.stroke();
    }
    pen.fillStyle = "#33363b"; pen.font = "13px sans-serif"; pen.textAlign = "center";
    pen.fillText(caption, width / 2, 16);
  };
  let from = null;
  canvas.onpointerdown = (e) => { from = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); };
  canvas.onpointerup = () => { from = null; };
  canvas.onpointermove = (e) => {
    if (!from) return;
    turn += 0.01 * (e.clientX - from[0]); tilt += 0.01 * (e.clientY - from[1]);
    from = [e.clientX, e.clientY]; draw();
  };
  box.replaceChildren(canvas);
  draw();
}
