// Check a simple RNN of one's own against the vectors, in Node without any package: node read.mjs DIR
import { readFileSync } from "node:fs";

const CAN = new Set(["simple_rnn", "float64", "one bias", "initial state", "no steps", "no rows", "long"]);

// A safetensors file: the length of a JSON header (8 bytes), the header, the bare little-endian numbers.
function read(path) {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(bytes.toString("utf8", 8, start));
  const arrays = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (dtype !== "F64") throw new Error(`${path}: ${name} is ${dtype}`);
    const [first, end] = data_offsets;
    const numbers = new Float64Array((end - first) / 8);
    for (let k = 0; k < numbers.length; k++) numbers[k] = bytes.readDoubleLE(start + first + 8 * k);
    arrays[name] = { shape, numbers };
  }
  return arrays;
}

// The layer under test. Every array is in C order: element (i, t, k) of inputs lies at (i * T + t) * D + k.
function simpleRnn({ inputs, W, U, b, initial_state }) {
  const [B, T, D] = inputs.shape, H = b.numbers.length;
  let h = initial_state ? initial_state.numbers.slice() : new Float64Array(B * H);
  const outputs = new Float64Array(B * T * H);
  for (let t = 0; t < T; t++) {
    const next = new Float64Array(B * H);
    for (let i = 0; i < B; i++)
      for (let j = 0; j < H; j++) {
        let z = b.numbers[j];
        for (let k = 0; k < D; k++) z += W.numbers[j * D + k] * inputs.numbers[(i * T + t) * D + k];
        for (let k = 0; k < H; k++) z += U.numbers[j * H + k] * h[i * H + k];
        next[i * H + j] = outputs[(i * T + t) * H + j] = Math.tanh(z);
      }
    h = next;
  }
  return { outputs, final_state: h };
}

const folder = process.argv[2];
const { cases } = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8"));
const chosen = cases.filter((each) => each.features.every((feature) => CAN.has(feature)));
const wrong = [];
for (const { file } of chosen) {
  const vector = read(`${folder}/${file}`);
  for (const [name, answer] of Object.entries(simpleRnn(vector))) {
    const expected = vector[`expected.${name}`].numbers, bound = vector[`bound.${name}`].numbers;
    const right = answer.length === expected.length &&
      answer.every((x, k) => Math.abs(x - expected[k]) <= bound[k]); // false for NaN
    if (!right) wrong.push(`${file}: ${name}`);
  }
}
console.log([`${chosen.length} vectors compared, ${wrong.length} wrong`, ...wrong].join("\n"));
process.exit(wrong.length || !chosen.length ? 1 : 0);
