/**
 * png.mjs reduces a screenshot to 256 colours, so that a picture of the map is small enough for the
 * repository.
 */
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

/**
 * Reads an 8-bit RGB or RGBA image without interlacing, which is what Chromium writes.
 * @param {Buffer} png
 */
function decode(png) {
	const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
	const channels = png[25] === 6 ? 4 : 3;
	const data = [];
	for (let at = SIGNATURE.length; at < png.length; at += 12 + png.readUInt32BE(at)) {
		if (png.toString("latin1", at + 4, at + 8) === "IDAT") {
			data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
		}
	}
	const rows = inflateSync(Buffer.concat(data));
	const stride = width * channels;
	const pixels = Buffer.alloc(stride * height);
	for (let y = 0; y < height; y++) {
		const filter = rows[y * (stride + 1)];
		for (let x = 0; x < stride; x++) {
			const at = y * stride + x;
			const left = x >= channels ? pixels[at - channels] : 0;
			const up = y > 0 ? pixels[at - stride] : 0;
			const corner = x >= channels && y > 0 ? pixels[at - stride - channels] : 0;
			const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
			pixels[at] = rows[y * (stride + 1) + 1 + x] + predicted;
		}
	}
	return { width, height, channels, pixels };
}

/** PNG's fourth filter (RFC 2083, section 6.6). @param {number} a @param {number} b @param {number} c */
function paeth(a, b, c) {
	const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
	return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/**
 * Writes an image anew with a palette of its 256 most frequent colours.
 * @param {Buffer} png
 */
export function reduceColours(png) {
	const { width, height, channels, pixels } = decode(png);
	/** @type {Map<number, number>} how many pixels have each colour */
	const counts = new Map();
	/** @param {number} i */
	const colour = (i) =>
		(pixels[i * channels] << 16) | (pixels[i * channels + 1] << 8) | pixels[i * channels + 2];
	for (let i = 0; i < width * height; i++) {
		counts.set(colour(i), (counts.get(colour(i)) ?? 0) + 1);
	}
	const palette = frequent(counts);
	/** @type {Map<number, number>} */
	const nearest = new Map([...counts.keys()].map((c) => [c, nearestOf(palette, c)]));
	const rows = Buffer.alloc((width + 1) * height);
	for (let i = 0; i < width * height; i++) {
		rows[Math.floor(i / width) * (width + 1) + 1 + (i % width)] = nearest.get(colour(i)) ?? 0;
	}
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width, 0);
	header.writeUInt32BE(height, 4);
	header.set([8, 3], 8); // 8 bits that are an index of the palette
	const colours = Buffer.from(palette.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]));
	const chunks = [
		chunk("IHDR", header),
		chunk("PLTE", colours),
		chunk("IDAT", deflateSync(rows, { level: 9 })),
	];
	return Buffer.concat([SIGNATURE, ...chunks, chunk("IEND", Buffer.alloc(0))]);
}

/**
 * The most frequent colours, no two of them close to each other.
 * @param {Map<number, number>} counts
 */
function frequent(counts) {
	/** @type {Set<number>} colours in steps of 8 that the palette has already */
	const seen = new Set();
	/** @type {number[]} */
	const palette = [];
	for (const [c] of [...counts].sort((a, b) => b[1] - a[1])) {
		const coarse = c & 0xf8f8f8;
		if (!seen.has(coarse) && palette.length < 256) {
			seen.add(coarse);
			palette.push(c);
		}
	}
	return palette;
}

/** @param {number[]} palette @param {number} colour */
function nearestOf(palette, colour) {
	let [best, least] = [0, Infinity];
	palette.forEach((c, i) => {
		const [r, g, b] = [16, 8, 0].map((shift) => ((c >> shift) & 255) - ((colour >> shift) & 255));
		const distance = 3 * r * r + 6 * g * g + b * b; // as the eye weighs them
		if (distance < least) [best, least] = [i, distance];
	});
	return best;
}

/** @param {string} type @param {Buffer} data */
function chunk(type, data) {
	const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
	const out = Buffer.alloc(body.length + 8);
	out.writeUInt32BE(data.length, 0);
	out.set(body, 4);
	out.writeUInt32BE(crc32(body), out.length - 4);
	return out;
}
