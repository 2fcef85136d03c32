// Reads the blocks of every frame that the page's video shows, with the browser's own times of that frame.
// Evaluated before a page's own scripts; `livefuse.source.synthetic.blocks` says how the blocks are laid out.
(() => {
  const COLUMNS = 8, ROWS = 9, FINDER = 0b10110010, LEAST_CONTRAST = 60;

  const crc8 = (bytes) => {
    let crc = 0;
    for (const byte of bytes) {
      crc ^= byte;
      for (let i = 0; i < 8; i++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
    }
    return crc;
  };

  const cellPx = (width, height) => (Math.min(width, height) >= 360 ? 16 : 8);

  // data: a picture's corner, `step` bytes from pixel to pixel, of which the first is enough: the blocks are grey.
  const readBlocks = (data, offset, stride, step, side) => {
    const core = side >> 2, from = core, to = side - core, means = new Float64Array(COLUMNS * ROWS);
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        let sum = 0;
        for (let y = from; y < to; y++) {
          const line = offset + (row * side + y) * stride + column * side * step;
          for (let x = from; x < to; x++) sum += data[line + x * step];
        }
        means[row * COLUMNS + column] = sum / ((to - from) * (to - from));
      }
    }
    let white = 255, black = 0;
    for (let column = 0; column < COLUMNS; column++) {
      if (FINDER & (0x80 >> column)) white = Math.min(white, means[column]);
      else black = Math.max(black, means[column]);
    }
    if (white - black < LEAST_CONTRAST) return null;
    const bytes = new Uint8Array(ROWS - 1);
    for (let i = COLUMNS; i < means.length; i++) {
      if (means[i] > (white + black) / 2) bytes[(i >> 3) - 1] |= 0x80 >> (i & 7);
    }
    if (crc8(bytes.subarray(0, ROWS - 2)) !== bytes[ROWS - 2]) return null;
    const view = new DataView(bytes.buffer);
    return [view.getUint32(0) >>> 8, view.getUint32(3)];
  };

  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let memory = new Uint8Array(0);

  const corner = async (frame, side) => {
    const width = COLUMNS * side, height = ROWS * side;
    if (frame.format && /^(I420|NV12)/.test(frame.format)) {
      const rect = { x: 0, y: 0, width, height };
      const size = frame.allocationSize({ rect });
      if (memory.length !== size) memory = new Uint8Array(size);
      const [luma] = await frame.copyTo(memory, { rect });
      return readBlocks(memory, luma.offset, luma.stride, 1, side);
    }
    canvas.width = width;
    canvas.height = height;
    context.drawImage(frame, 0, 0, width, height, 0, 0, width, height);
    return readBlocks(context.getImageData(0, 0, width, height).data, 0, width * 4, 4, side);
  };

  const read = async (frame, meta) => {
    try {
      // a script that came late finds the next picture already: what that says belongs to other times
      const same = Math.abs(frame.timestamp - meta.mediaTime * 1e6) < 2;
      const said = same && (await corner(frame, cellPx(frame.codedWidth, frame.codedHeight)));
      const [id, us] = said || [null, null];
      return {
        id, us,
        presented: meta.presentationTime,
        displayed: meta.expectedDisplayTime,
        received: meta.receiveTime ?? null,
        decode: meta.processingDuration ?? null,
        rtp: meta.rtpTimestamp ?? null,
        count: meta.presentedFrames,
        width: frame.codedWidth,
        height: frame.codedHeight,
      };
    } finally {
      frame.close();
    }
  };

  const bench = { rows: [], refreshes: [], errors: [], connections: [], running: false, last: Promise.resolve() };

  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...given) {
      super(...given);
      bench.connections.push(this);
    }
  };

  // What getStats says of the video that the newest connection receives, with its codec and the path that it takes.
  bench.stats = async () => {
    const connection = bench.connections.at(-1);
    if (!connection) return null;
    const all = [...(await connection.getStats()).values()];
    const video = all.find((one) => one.type === "inbound-rtp" && one.kind === "video");
    const pair = all.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
    const codec = video && all.find((one) => one.id === video.codecId);
    return { video: video || null, pair: pair || null, codec: codec || null, state: connection.connectionState };
  };

  bench.start = () => {
    const video = document.querySelector("video");
    bench.rows.length = bench.refreshes.length = 0;
    bench.running = true;
    // when the screen is refreshed, or would be
    const refresh = (at) => {
      if (!bench.running) return;
      bench.refreshes.push(at);
      requestAnimationFrame(refresh);
    };
    requestAnimationFrame(refresh);
    const next = (now, meta) => {
      if (!bench.running) return;
      video.requestVideoFrameCallback(next);
      // the frame is taken now, but read one after another: they share the memory that they are copied into
      const frame = new VideoFrame(video);
      bench.last = bench.last.then(() => read(frame, meta))
        .then((row) => bench.rows.push(row), (error) => bench.errors.push(String(error)));
    };
    video.requestVideoFrameCallback(next);
  };
  bench.drain = async () => {
    await bench.last;
    return { rows: bench.rows.splice(0), refreshes: bench.refreshes.splice(0), errors: bench.errors.splice(0) };
  };
  bench.stop = () => {
    bench.running = false;
    return bench.drain();
  };
  bench.readBlocks = readBlocks;
  window.livefuseBench = bench;
})();
