// The embedding of one picture, with ONNX Runtime in JavaScript: in the browser or in Node.
//
//   npm install onnxruntime-web
//   node embed.mjs model.onnx picture.ppm
//
// picture.ppm (P6) has the size that the network takes; mean and std are those of its model.yml.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

// { width, height, pixels }: RGB, row by row, as a canvas gives them (but for its alpha).
function readPpm(bytes) {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString("latin1", 0, 64));
  if (!header) throw new Error("the picture is not a binary PPM (P6) of 8 bits");
  return { width: +header[1], height: +header[2], pixels: bytes.subarray(header[0].length) };
}

// Float32 (1, 3, height, width): channels first, (value / 255 - mean) / std.
function toTensor({ width, height, pixels }) {
  const area = width * height;
  const data = new Float32Array(3 * area);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++)
      data[c * area + i] = (pixels[3 * i + c] / 255 - MEAN[c]) / STD[c];
  return new ort.Tensor("float32", data, [1, 3, height, width]);
}

function normalised(vector) {
  const norm = Math.hypot(...vector);
  return Array.from(vector, (value) => value / norm);
}

ort.env.wasm.numThreads = 1;
const [model, picture] = process.argv.slice(2);
const session = await ort.InferenceSession.create(await readFile(model));
const feeds = { [session.inputNames[0]]: toTensor(readPpm(await readFile(picture))) };
const outputs = await session.run(feeds);
console.log(JSON.stringify(normalised(outputs[session.outputNames[0]].data)));
