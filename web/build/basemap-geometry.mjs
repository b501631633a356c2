// The plane geometry behind the base map's data, in degrees. Used by the build step alone.

/** @typedef {[number, number]} Point longitude, latitude in degrees */
/** @typedef {Point[]} Line */
/** @typedef {Line[]} Polygon the outer ring first */

/**
 * Unrolls a ring across the antimeridian. world-atlas stitches its shapes on the sphere: a ring jumps from
 * 180 to −180. Antarctica's ring goes around the pole, which is off the map, and is closed at −90°.
 * @param {Line} ring @returns {Line} without jumps, perhaps beyond ±180
 */
export function unroll(ring) {
	let turn = 0;
	/** @type {Line} */
	const out = ring.map(([lon, lat], i) => {
		const step = i ? lon - ring[i - 1][0] : 0;
		turn += step > 180 ? -360 : step < -180 ? 360 : 0;
		return [lon + turn, lat];
	});
	return turn ? closeAroundPole(out, turn) : out;
}

/**
 * Closes a ring around the south pole at −90°. The ring overlaps itself by some degrees, so its ends lie
 * beyond the antimeridian.
 * @param {Line} path @param {number} turn ±360 @returns {Line}
 */
function closeAroundPole(path, turn) {
	const far = (/** @type {Point} */ from) => (/** @type {Point} */ p) => Math.abs(p[0] - from[0]) > 15;
	/** @param {number} by @returns {(p: Point) => Point} */
	const moved =
		(by) =>
		([lon, lat]) => [lon + by, lat];
	const head = path.slice(1, path.findIndex(far(path[0]))).map(moved(turn));
	const tail = path.slice(path.findLastIndex(far(path[path.length - 1])) + 1, -1).map(moved(-turn));
	const ring = [...tail, ...path, ...head];
	return [...ring, [ring[ring.length - 1][0], -90], [ring[0][0], -90], ring[0]];
}

/**
 * Joins shapes that are cut at the antimeridian, as some 10 m shapes are. The cut would look like a coast.
 * @param {Polygon[]} polygons of unrolled rings @returns {Polygon[]}
 */
export function joinAtAntimeridian(polygons) {
	/**
	 * @type {{ rings: Polygon, path: Line }[]} the outer ring as a path from one end of its cut to the other
	 */
	const open = [];
	const whole = polygons.filter((rings) => {
		const ring = rings[0].slice(1);
		const cut = ring.findIndex(([lon], i) => Math.abs(lon) === 180 && ring.at(i - 1)?.[0] === lon);
		if (cut < 0) return true;
		const path = [...ring.slice(cut), ...ring.slice(0, cut)];
		const other = open.find(
			({ path: p }) => sameEnd(p[0], path[path.length - 1]) && sameEnd(p[p.length - 1], path[0]),
		);
		if (!other) open.push({ rings, path });
		else
			other.rings[0] = [
				...other.path,
				...path.map(
					([lon, lat]) => /** @type {Point} */ ([lon + other.path[0][0] - path[0][0], lat]),
				),
				other.path[0],
			];
		return !other;
	});
	return [...whole, ...open.map(({ rings }) => rings)];
}

/** @param {Point} a @param {Point} b at ±180, within the outlines' grid */
const sameEnd = (a, b) => Math.abs(a[1] - b[1]) < 0.005;

/** Douglas and Peucker's simplification. @param {Line} line @param {number} tolerance @returns {Line} */
export function simplified(line, tolerance) {
	const keep = new Uint8Array(line.length);
	keep[0] = keep[line.length - 1] = 1;
	const open = [[0, line.length - 1]];
	for (let span; (span = open.pop());) {
		const [from, to] = span;
		let [far, best] = [0, tolerance];
		for (let i = from + 1; i < to; i++) {
			const d = distance(line[i], line[from], line[to]);
			if (d > best) [far, best] = [i, d];
		}
		if (far) {
			keep[far] = 1;
			open.push([from, far], [far, to]);
		}
	}
	return line.filter((_, i) => keep[i]);
}

/**
 * The distance from p to the segment ab, in degrees of latitude.
 * @param {Point} p
 * @param {Point} a
 * @param {Point} b
 */
function distance(p, a, b) {
	const k = Math.cos((Math.min(80, Math.abs(p[1])) * Math.PI) / 180); // not 0 at the poles
	const [dx, dy, px, py] = [(b[0] - a[0]) * k, b[1] - a[1], (p[0] - a[0]) * k, p[1] - a[1]];
	const t = Math.max(0, Math.min(1, (px * dx + py * dy) / (dx * dx + dy * dy || 1)));
	return Math.hypot(px - t * dx, py - t * dy);
}

/**
 * Chaikin's corner cutting. Without it the rivers' grid shows as steps from zoom 7 on.
 * @param {Line} line
 * @returns {Line}
 */
export function smooth(line) {
	/** @type {Line} */
	const out = [line[0]];
	for (let i = 1; i < line.length; i++) {
		const [[ax, ay], [bx, by]] = [line[i - 1], line[i]];
		if (i > 1) out.push([ax * 0.75 + bx * 0.25, ay * 0.75 + by * 0.25]);
		if (i < line.length - 1) out.push([ax * 0.25 + bx * 0.75, ay * 0.25 + by * 0.75]);
	}
	return [...out, line[line.length - 1]];
}

/**
 * The parts of a line in which `inside` holds, each extended by one point.
 * @param {Line} line
 * @param {(p: Point) => boolean} inside
 */
export function clip(line, inside) {
	/** @type {Line[]} */
	const out = [];
	line.forEach((p, i) => {
		const [here, before] = [inside(p), i > 0 && inside(line[i - 1])];
		if (here && !before) out.push([p]);
		else if (here || before) out[out.length - 1].push(p);
	});
	return out.filter((part) => part.length > 1);
}

/**
 * The point of a ring farthest from its edge; east to west counts half, because names are wide.
 * @param {Line} ring
 */
export function labelPoint(ring) {
	let best = { x: ring[0][0], y: ring[0][1], clearance: -Infinity };
	const [xs, ys] = [0, 1].map((i) => ring.map((p) => p[i]));
	let [west, north, width, height] = [min(xs), min(ys), extentOf(xs), extentOf(ys)];
	for (const n of [24, 10, 10]) {
		for (let i = 0; i < n * n; i++) {
			const [x, y] = [
				west + ((i % n) + 0.5) * (width / n),
				north + (Math.floor(i / n) + 0.5) * (height / n),
			];
			const clearance = clearanceAt(x, y, ring);
			if (clearance > best.clearance) best = { x, y, clearance };
		}
		[width, height] = [(4 * width) / n, (4 * height) / n];
		[west, north] = [best.x - width / 2, best.y - height / 2];
	}
	return best;
}

/**
 * The distance from a point to a ring's edge, negative outside.
 * @param {number} x
 * @param {number} y
 * @param {Line} ring
 */
function clearanceAt(x, y, ring) {
	let [clearance, odd] = [Infinity, false];
	for (let i = 1; i < ring.length; i++) {
		const [[ax, ay], [bx, by]] = [ring[i - 1], ring[i]];
		if (ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay)) odd = !odd;
		const [dx, dy, px, py] = [(bx - ax) / 2, by - ay, (x - ax) / 2, y - ay];
		const t = Math.max(0, Math.min(1, (px * dx + py * dy) / (dx * dx + dy * dy || 1)));
		clearance = Math.min(clearance, Math.hypot(px - t * dx, py - t * dy));
	}
	return odd ? clearance : -clearance;
}

/** @param {Point} p in degrees @returns {Point} 0 to 1 from the northwest */
export function mercator([lon, lat]) {
	const y = Math.asinh(Math.tan((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180));
	return [lon / 360 + 0.5, 0.5 - y / (2 * Math.PI)];
}

/** @param {number} y */
export const latitude = (y) => (Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)) * 180) / Math.PI;
/** @param {Line} ring */
export const area = (ring) =>
	Math.abs(
		ring.reduce((sum, [x, y], i) => {
			const q = ring[(i + 1) % ring.length];
			return sum + x * q[1] - q[0] * y;
		}, 0),
	);
/** @param {number[]} numbers */
const min = (numbers) => numbers.reduce((a, b) => Math.min(a, b), Infinity);
/** @param {number[]} numbers */
const extentOf = (numbers) => -min(numbers.map((n) => -n)) - min(numbers);
/** @param {Line} line the longer side of its box, in degrees */
export const extent = (line) => Math.max(extentOf(line.map((p) => p[0])), extentOf(line.map((p) => p[1])));
/** @param {Line} line @returns {Point} */
export const middle = (line) => [
	min(line.map((p) => p[0])) + extentOf(line.map((p) => p[0])) / 2,
	min(line.map((p) => p[1])) + extentOf(line.map((p) => p[1])) / 2,
];
